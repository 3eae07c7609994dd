"""The read-out as a page that asks nothing of any other host: HTML, CSS and SVG, no script."""
