"""The HTTP interface: what the console answers under ``/v1``, and the addresses that take commands."""

from __future__ import annotations


def interface_page() -> str:
    """Return the page."""
    from controller.web.actions import Actions
    from controller.web.api import Api
    from controller.web.desk import DeskReader
    from controller.web.history_page import DayCache
    from sites.load import load_site
    from sites.ports import SystemClock

    reader = DeskReader("sqlite:///none.sqlite", load_site("container"), SystemClock())
    reads = "\n".join(f"| `GET` | `{each.path}` | {each.summary} |" for each in Api(reader, DayCache()).routes)
    commands = "\n".join(f"| `POST` | `{path}` |" for path in Actions(reader).routes())
    return (
        "# HTTP interface\n\n"
        "Beside the pages of the console, for programs. `/v1/openapi.json` describes it whole, with every record; errors are\n"
        "problem+json (RFC 9457); `/v1/events` is a stream that says when something changed; `/v1/me` says who asks.\n"
        "Send a token as `Authorization: Bearer TOKEN`: `mdc access add NAME --role viewer` prints one.\n\n"
        f"| method | path | answers |\n|---|---|---|\n{reads}\n\n"
        "## Commands\n\n"
        "Forms, for role operator; each leads back to a page (303), or is refused with the reason (409 when somebody was\n"
        "quicker, 422 when the site cannot follow it).\n\n"
        f"| method | path |\n|---|---|\n{commands}\n"
    )
