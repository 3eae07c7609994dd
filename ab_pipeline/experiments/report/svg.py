"""Pieces of SVG. Classes, not colours: the page's style sheet knows light, dark and paper."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

LIGHT = """
svg{font-family:system-ui,'DejaVu Sans',sans-serif}
text{fill:#5b6470;font-size:10px} .strong{fill:#16191d;font-weight:600}
.grid{stroke:#e6e8eb} .zero{stroke:#7b8490} .minimum{stroke:#9a6700;stroke-dasharray:4 3;fill:none}
.line{fill:none;stroke-width:2} .band{opacity:.18;stroke:none} .bar{opacity:.85}
.v0{stroke:#6b7280;fill:#6b7280} .v1{stroke:#2563c9;fill:#2563c9} .v2{stroke:#b4501c;fill:#b4501c}
.v3{stroke:#17806d;fill:#17806d} .v4{stroke:#8a3ea8;fill:#8a3ea8}
polyline.line{fill:none}
.good{stroke:#1a7f37;fill:#1a7f37} .bad{stroke:#c2311f;fill:#c2311f} .calm{stroke:#57606a;fill:#57606a}
"""
"""The style of a picture that stands alone, as in Dagster's UI."""
COLOURS = 5


def element(name: str, content: str | Iterable[str] = "", **attributes: object) -> Markup:
    """`class_` and `stroke_width` become `class` and `stroke-width`; text is escaped, markup is not."""
    names = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    inside = escape(content) if isinstance(content, str) else Markup("").join(content)
    return Markup("<{0}{1}>{2}</{0}>").format(
        Markup(name), Markup("").join(Markup(' {}="{}"').format(Markup(key), value) for key, value in names), inside
    )


def picture(width: float, height: float, title: str, content: Iterable[str]) -> Markup:
    """A drawing with a name for those who do not see it."""
    return element(
        "svg",
        [element("title", title), *content],
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def points(places: Iterable[tuple[float, float]]) -> str:
    """Of a polyline or polygon."""
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def standalone(drawing: str) -> str:
    """The same with colours of its own, on white paper."""
    head, _, rest = drawing.partition(">")
    return f'{head}><style>{LIGHT}</style><rect width="100%" height="100%" fill="#fff"></rect>{rest}'


def png(drawing: str, scale: float = 2.0) -> bytes:
    """A standalone drawing as a picture of pixels."""
    import vl_convert

    return vl_convert.svg_to_png(standalone(drawing), scale=scale)
