"""The metrics that the console tells Prometheus."""

from __future__ import annotations


def metrics_page() -> str:
    """Return the page."""
    from controller.web.metrics import HELP

    rows = "\n".join(f"| `{name}` | {words} |" for name, words in HELP.items())
    return (
        "# Metrics\n\n"
        "`/metrics` of the console, in Prometheus' text format and base units; every sample carries the label `site`. A value\n"
        "that could not be read is left out. Alert rules over them, a\n"
        "scrape configuration and a Grafana dashboard: folder `deploy`. `/readyz` answers 503 when the store\n"
        "cannot be read or the newest cycle is older than half a minute; `/healthz` answers for the console alone.\n\n"
        f"| metric | says |\n|---|---|\n{rows}\n"
    )
