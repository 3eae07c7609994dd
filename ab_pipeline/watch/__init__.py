"""A process of its own that looks at every other: `ab-pipeline watch`."""
