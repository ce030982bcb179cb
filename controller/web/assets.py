"""The console's own style sheet and script, named by their content so that browsers may keep them for good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib import resources

KINDS: dict[str, str] = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file that pages load."""

    content: bytes
    media_type: str
    digest: str


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Return the console's files by name; the chart's style sheet is part of ``console.css``."""
    texts = {
        "console.css": chart_css() + _read("console.css"),
        "console.js": _read("console.js"),
        "mark.svg": _read("mark.svg"),
    }
    return {name: _asset(name, text) for name, text in texts.items()}


def chart_css() -> str:
    """Return the style sheet of the charts, which reports carry inside."""
    return resources.files("controller.reports.charts").joinpath("charts.css").read_text(encoding="utf-8")


def asset_path(name: str) -> str:
    """Return the address of a file; it changes with the content."""
    return f"/static/{name}?v={assets()[name].digest}"


def _read(name: str) -> str:
    return resources.files("controller.web").joinpath("static", name).read_text(encoding="utf-8")


def _asset(name: str, text: str) -> Asset:
    content = text.encode()
    kind = KINDS[name.rsplit(".", 1)[1]]
    return Asset(content=content, media_type=kind, digest=blake2b(content, digest_size=6).hexdigest())
