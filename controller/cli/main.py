"""``mdc``: the command line. Registers one module a command and turns errors into one readable line and an exit code.

Exit codes: 0 done, 1 a bug or the outside world failed, 2 bad input, 3 no plan better than the safe state.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from controller.cli import (
    access,
    advise,
    alarms,
    calibrate,
    catalog,
    check,
    db,
    design,
    devices,
    forecast,
    fuel,
    jobs,
    mqtt,
    plan,
    reload,
    report,
    review,
    run,
    simulate,
    solve,
    status,
)
from sites.errors import InputError

app = typer.Typer(
    name="mdc",
    epilog="Example: [bold]mdc check container && mdc plan container --at 2025-06-16T06:00[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{version('offgrid-mdc')}\n")
        raise typer.Exit


@app.callback()
def whole(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Plans, runs and designs micro data centers that live on sun and diesel."""


SITE, PLAN, KNOW, KEEP = (
    "A running site",
    "Plans and what is to come",
    "What to build, what hardware does",
    "Equipment and store",
)
"""Headings of ``mdc --help``."""
app.command("run", rich_help_panel=SITE)(run.run)
app.command("status", rich_help_panel=SITE)(status.status)
app.command("reload", rich_help_panel=SITE)(reload.reload)
app.command("mqtt", rich_help_panel=SITE)(mqtt.mqtt)
app.command("audit", rich_help_panel=SITE)(alarms.audit)
app.command("check", rich_help_panel=PLAN)(check.check)
app.command("plan", rich_help_panel=PLAN)(plan.plan)
app.command("solve", rich_help_panel=PLAN)(solve.solve)
app.command("simulate", rich_help_panel=PLAN)(simulate.simulate)
app.command("advise", rich_help_panel=KNOW)(advise.advise)
app.command("catalog", rich_help_panel=KNOW)(catalog.catalog)
app.command("calibrate", rich_help_panel=KNOW)(calibrate.calibrate)


def _group(name: str, commands: typer.Typer, panel: str, example: str) -> None:
    app.add_typer(commands, name=name, rich_help_panel=panel, epilog=f"Example: [bold]{example}[/bold]")


_group("jobs", jobs.app, SITE, "mdc jobs list --state queued --state running")
_group("review", review.app, SITE, "mdc review list")
_group("fuel", fuel.app, SITE, "mdc fuel show")
_group("alarms", alarms.app, SITE, "mdc alarms list")
_group("report", report.app, SITE, "mdc report day --out day.html")
_group("access", access.app, SITE, "mdc access list")
_group("forecast", forecast.app, PLAN, "mdc forecast show container --hours 24")
_group("design", design.app, KNOW, "mdc design check studies/container.yaml")
_group("devices", devices.app, KEEP, "mdc devices probe site.yaml")
_group("db", db.app, KEEP, "mdc db upgrade")


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        for fault in error.faults:
            sys.stderr.write(f"error: {fault}\n")
        code = 2
    except TyperException as error:
        if message := error.format_message():
            sys.stderr.write(f"error: {message}\n")
        code = 2
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        code = 130
    except Exception as error:
        if os.environ.get("MDC_LOG") == "DEBUG":
            raise
        sys.stderr.write(f"failed: {type(error).__name__}: {error} (MDC_LOG=DEBUG shows where)\n")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
