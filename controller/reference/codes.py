"""Reason codes with their words."""

from __future__ import annotations

from sites.reasons import REASONS


def codes_page() -> str:
    """Return the page."""
    rows = "\n".join(f"| `{code}` | {words} |" for code, words in sorted(REASONS.items()))
    return (
        "# Reason codes\n\n"
        "Every decision, guard action, refusal and breach carries one of these. They are stable: programs may match them.\n\n"
        f"| code | in words |\n|---|---|\n{rows}\n"
    )
