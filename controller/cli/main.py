"""``mdc``: the command line. Registers one module a command and turns errors into one readable line and an exit code.

Exit codes: 0 done, 1 a bug or the outside world failed, 2 bad input, 3 no plan better than the safe state.
"""

from __future__ import annotations

import os
import sys

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
    help="Plans, runs and designs micro data centers that live on sun and diesel.",
    epilog="Example: [bold]mdc check container && mdc plan container --at 2025-06-16T06:00[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("check")(check.check)
app.command("run")(run.run)
app.command("reload")(reload.reload)
app.command("mqtt")(mqtt.mqtt)
app.command("plan")(plan.plan)
app.command("solve")(solve.solve)
app.command("simulate")(simulate.simulate)
app.add_typer(forecast.app, name="forecast")
app.add_typer(jobs.app, name="jobs")
app.add_typer(review.app, name="review")
app.add_typer(fuel.app, name="fuel")
app.add_typer(alarms.app, name="alarms")
app.command("audit")(alarms.audit)
app.add_typer(access.app, name="access")
app.command("status")(status.status)
app.add_typer(report.app, name="report")
app.command("advise")(advise.advise)
app.command("catalog")(catalog.catalog)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(design.app, name="design")
app.add_typer(devices.app, name="devices")
app.add_typer(db.app, name="db")


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
