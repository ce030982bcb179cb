"""A page for paper: WeasyPrint makes the PDF, and is handed what it cannot work out itself.

It styles each inline drawing from the drawing's own style sheet only, and knows no custom properties there. So every drawing
gets the charts' rules with the light colours written in, and its own hatchings; what only a screen uses is left out.
"""

from __future__ import annotations

import re

from controller.reports.charts.patterns import pattern_drawing
from sites.errors import InputError

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_AT_RULE = re.compile(r"@(?:media|keyframes)[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", re.DOTALL)
_ROOT = re.compile(r":root\s*\{([^}]*)\}")
_PROPERTY = re.compile(r"(--[\w-]+)\s*:\s*([^;]+);")
_VAR = re.compile(r"var\((--[\w-]+)\)")
_MIX = re.compile(r"color-mix\(in srgb, (#[0-9a-f]{6}) (\d+)%, (#[0-9a-f]{6})\)")
_NARROW = re.compile(r'<div class="drawing narrow">.*?</svg>\s*</div>', re.DOTALL)
_COLUMNS = re.compile(r'<g class="columns">.*?</g>', re.DOTALL)
_DRAWING = re.compile(r"(<svg [^>]*viewBox=[^>]*>)")
_HALO = re.compile(r"paint-order: stroke; stroke: [^;]+; stroke-width: [^;]+; stroke-linejoin: round;")
_ON_DRAWING = re.compile(r'<text (?=[^>]*class="(?:[^"]* )?(?:row-words|ribbon-name|note)[ "])([^>]*)>(.*?)</text>')
"""Text that lies over lines and areas."""
_HALO_RULE = ".chart .halo, .chart .halo tspan, .sankey .halo { fill: #ffffff; stroke: #ffffff; stroke-width: 3px; }"
_SWATCH = re.compile(r"^\.swatch[^{]*\{[^}]*\}", re.MULTILINE)


def to_pdf(html: str, css: str) -> bytes:
    """Return a page as PDF, A4.

    Args:
        html: the page as one HTML file.
        css: the style sheet that is in it.

    Raises:
        InputError: WeasyPrint or its system libraries are missing.
    """
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        raise InputError.single(
            source="--out",
            field="",
            found=".pdf",
            mend="install offgrid-mdc[pdf] and Debian's libpango-1.0-0 libpangoft2-1.0-0, or write .html and print it",
        ) from error
    written: bytes = HTML(string=for_paper(html, css)).write_pdf()
    return written


def for_paper(html: str, css: str) -> str:
    """Return the page with each drawing styled from within, in light colours, and without what only a screen uses."""
    rules = drawing_css(css)
    inside = f"<style>{rules}{_HALO_RULE}</style>{_hatchings()}"
    html = _ON_DRAWING.sub(_with_halo, html)
    html = _COLUMNS.sub("", _NARROW.sub("", html))
    html = html.replace("</head>", f"<style>{''.join(_SWATCH.findall(rules))}</style></head>", 1)
    return _DRAWING.sub(lambda found: found[1] + inside, html)


def _with_halo(found: re.Match[str]) -> str:
    """Return a text twice: its halo in the colour of the paper, and over it itself."""
    halo = found[1].replace('class="', 'class="halo ', 1)
    return f"<text {halo}>{found[2]}</text>{found[0]}"


def drawing_css(css: str) -> str:
    """Return the rules of a style sheet with light colours in place of custom properties.

    Media rules are left out, and so are halos around text: without ``paint-order`` they would cover it; :func:`for_paper`
    draws them apart.
    """
    root = _ROOT.search(css)
    colours: dict[str, str] = dict(_PROPERTY.findall(root[1])) if root else {}
    plain = _HALO.sub("", _ROOT.sub("", _AT_RULE.sub("", _COMMENT.sub("", css))))
    plain = _VAR.sub(lambda found: colours.get(found[1], "currentColor"), plain)
    return _MIX.sub(lambda found: _mixed(found[1], int(found[2]) / 100.0, found[3]), plain)


def _mixed(colour: str, share: float, ground: str) -> str:
    """Return ``share`` of one colour over another, both ``#rrggbb``."""
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + "".join(f"{round(share * a + (1.0 - share) * b):02x}" for a, b in pairs)


def _hatchings() -> str:
    drawing = str(pattern_drawing())
    return drawing[drawing.index("<defs>") : drawing.index("</defs>") + len("</defs>")]
