"""Giving an order at a terminal: what it changes is shown first, then somebody says yes.

Off a terminal, as scripts expect, it is given without a question once the planner has found a plan under it; ``--preview`` shows
its cost there too, and ``--yes`` needs no answer. One that cannot be carried out is refused, with the nearest that works.
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
UncheckedOption = Annotated[
    bool,
    typer.Option(
        "--unchecked",
        help="Give it at once, without a plan under it: where safety does not wait, or no planner runs.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Give it without asking.")]
HoursOption = Annotated[float, typer.Option("--hours", min=0.25, max=168, help="How long it stands.")]


def order(
    desk: OperatorDesk, standing: Standing, *, why: str, preview: bool | None, yes: bool, unchecked: bool = False
) -> None:
    """Give an order that a plan can carry out, after showing what it changes where that is wanted.

    Raises:
        InputError: it cannot be carried out, or nobody plans there.
    """
    if unchecked:
        given(standing, desk.give_unchecked(standing, why=why))
        return
    shows = (sys.stdin.isatty() and sys.stdout.isatty() and not yes) if preview is None else preview
    identity = desk.ask(standing, why=why)
    with waiting("asking the planner") as tell:
        shown = desk.answered(identity, tell)
    if shows:
        show(desk, shown)
        if shown.answer is None or shown.answer.difference is None:
            raise typer.Exit(2)
        if not yes and not (sys.stdin.isatty() and typer.confirm("Give this order?")):
            write("nothing was ordered; add --yes to give it")
            return
    given(standing, desk.give_previewed(identity))


def given(standing: Standing, identity: str) -> None:
    """Say that an order stands."""
    write(f"override {identity} until {standing.expires_utc:%Y-%m-%d %H:%M}Z")


def show(desk: OperatorDesk, shown: StoredPreview) -> None:
    """Write what an order would change, as the console shows it."""
    from controller.cli.seat import write_page
    from controller.web.desk import Desk
    from controller.web.preview_page import preview_page

    write_page(preview_page(shown, Desk(site=desk.site)))
