"""Giving an order at a terminal: what it changes is shown first, then somebody says yes.

Off a terminal an order is given at once, as scripts expect; ``--preview`` shows it there too, and ``--yes`` needs no answer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import waiting, write

if TYPE_CHECKING:
    from controller.operator_desk import OperatorDesk
    from controller.overrides.orders import Standing
    from controller.records.views import StoredPreview

PreviewOption = Annotated[
    bool | None,
    typer.Option("--preview/--no-preview", help="Show cost, fuel and lateness first; on a terminal that is so anyway."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Give it without asking.")]
HoursOption = Annotated[float, typer.Option("--hours", min=0.25, max=168, help="How long it stands.")]
PATIENCE_S = 20.0
"""How long the planner may take to begin."""
LONGEST_S = 600.0
POLL_S = 0.5


def order(desk: OperatorDesk, standing: Standing, *, why: str, preview: bool | None, yes: bool) -> None:
    """Give an order, after showing what it changes where that is wanted; leave with 2 where it cannot be carried out."""
    shows = (sys.stdin.isatty() and sys.stdout.isatty() and not yes) if preview is None else preview
    if not shows:
        given(desk, standing, desk.give(standing, why=why))
        return
    identity = desk.ask(standing, why=why)
    shown = worked_out(desk, identity)
    show(desk, shown)
    if shown.answer is None or shown.answer.difference is None:
        raise typer.Exit(2)
    if not yes and not (sys.stdin.isatty() and typer.confirm("Give this order?")):
        write("nothing was ordered; add --yes to give it")
        return
    given(desk, standing, desk.give_previewed(identity))


def given(desk: OperatorDesk, standing: Standing, identity: str) -> None:
    """Say that an order stands."""
    write(f"override {identity} until {standing.expires_utc:%Y-%m-%d %H:%M}Z")


def show(desk: OperatorDesk, shown: StoredPreview) -> None:
    """Write what an order would change, as the console shows it."""
    from controller.cli.seat import write_page
    from controller.web.desk import Desk
    from controller.web.preview_page import preview_page

    write_page(preview_page(shown, Desk(site=desk.site)))


def worked_out(desk: OperatorDesk, identity: str) -> StoredPreview:
    """Wait for the planner's answer, saying how far it is.

    Raises:
        InputError: nobody works it out, or it failed.
    """
    from controller.records.reading import Reader
    from sites.errors import InputError
    from sites.ports import SystemClock

    clock = SystemClock()
    began_s = clock.monotonic_s()
    with Reader(desk.url, desk.site.name) as reader, waiting("asking the planner") as tell:
        while True:
            shown = reader.preview(identity)
            if shown is not None and shown.state == "done":
                return shown
            if shown is None or shown.state == "failed":
                found = shown.progress if shown is not None else "it is gone"
                raise InputError.single(source="preview", field="", found=found, mend="ask again")
            taken_s = clock.monotonic_s() - began_s
            if taken_s > LONGEST_S or (
                shown.state == "asked" and taken_s > PATIENCE_S + desk.site.planning.solve_seconds
            ):
                mend = "see that mdc run runs on this store; --no-preview gives the order without its cost"
                raise InputError.single(source="preview", field="", found="no answer of the planner", mend=mend)
            tell(shown.progress)
            clock.sleep(POLL_S)
