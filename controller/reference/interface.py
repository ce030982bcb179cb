"""The HTTP interface: what the console answers under ``/v1``, and the commands it takes."""

from __future__ import annotations

HEAD = """# HTTP interface

Everything the console shows and does, for programs. `/v1/openapi.json` describes it whole, with every record; errors are
problem+json (RFC 9457), each fault with its mend; `/v1/events` is a stream that says when something changed; `/v1/me` says who
asks. Send a token as `Authorization: Bearer TOKEN`: `mdc access add NAME --role operator` prints one.

"""

COMMANDING = """## Commands

For role operator; each leaves a line in `/v1/audit`. 409 when somebody was quicker, 422 when the site cannot follow it, with
the nearest that works. A job is forced or set to a time by an order `pin_job`, held by `hold_job`, released by withdrawing the
order.

Commands marked *version* change what people have ordered, or diesel to come. They say in `If-Match` which version they have
seen, the `ETag` of `/v1/overrides`, `/v1/fuel` or the preview: 428 without, 412 when somebody changed something since, with
who and what. So of two who act at once neither overrules the other unseen. `*` says that it does not matter.

"""

FORMS = """
The console's pages send forms to addresses without `/v1` that do the same and lead back to a page (303).

## An order with its cost first

```sh
curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" $CONSOLE/v1/previews \\
  -d '{"order": {"kind": "forbid_genset", "genset": "diesel-1"}, "hours": 3, "why": "the crew sleeps"}'
curl -H "Authorization: Bearer $TOKEN" $CONSOLE/v1/previews/ID            # until state is done: cost, fuel, lateness
curl -H "Authorization: Bearer $TOKEN" -H 'If-Match: "7"' -X POST $CONSOLE/v1/previews/ID/give
```
"""


def interface_page() -> str:
    """Return the page."""
    from controller.web.api import Api
    from controller.web.api_commands import COMMANDS
    from controller.web.desk import DeskReader
    from controller.web.history_page import DayCache
    from sites.load import load_site
    from sites.ports import SystemClock

    reader = DeskReader("sqlite:///none.sqlite", load_site("container"), SystemClock())
    reads = "\n".join(f"| `GET` | `{each.path}` | {each.summary} |" for each in Api(reader, DayCache()).routes)
    commands = "\n".join(
        f"| `POST` | `{each.path}` | {each.summary} | {'version' if each.locks else ''} |" for each in COMMANDS
    )
    return (
        f"{HEAD}| method | path | answers |\n|---|---|---|\n{reads}\n\n"
        f"{COMMANDING}| method | path | does | |\n|---|---|---|---|\n{commands}\n{FORMS}"
    )
