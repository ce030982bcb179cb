"""``mdc design``: what-if studies of sites."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from controller.cli.output import Format, FormatOption, say, write

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from controller.design.context import Context
    from controller.design.questions import Answer
    from controller.design.runner import Progress
    from controller.design.summary import Chosen

Result = TypeVar("Result")

app = typer.Typer(help="What to build: thousands of candidate sites over weather years.", no_args_is_help=True)

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (YAML).")]


@app.command("check")
def check(study: StudyArgument) -> None:
    """Check a study file: all faults at once, and how large it is.

    Example: [bold]mdc design check studies/container.yaml[/bold]
    """
    from controller.design.study import load_study

    found, _, base = load_study(study)
    years = 1 + found.weather.resampled
    write(
        f"{study.name} is in order: {found.grid_count():,.0f} designs in {found.variant_count()} variants "
        f"of {base.name}, {years} weather years or more"
    )


@app.command("run")
def run(
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; STUDY.out if absent.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=512, help="Processes on this machine.")] = os.cpu_count() or 1,
    cluster: Annotated[str, typer.Option(help="Address of a dask scheduler, e.g. tcp://host:8786.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what the folder holds.")] = False,
    report: Annotated[Path | None, typer.Option(help="Report file, .html or .pdf; report.html in the folder.")] = None,
    store: Annotated[
        str, typer.Option(help="Also write all designs to this store, e.g. sqlite:///var/mdc.sqlite.")
    ] = "",
    planner_windows: Annotated[
        int | None, typer.Option(min=0, max=24, help="Windows to run the finalists with the real planner.")
    ] = None,
    replan_hours: Annotated[float, typer.Option(min=0.25, max=24, help="Hours between its plans.")] = 6.0,
    solve_seconds: Annotated[float, typer.Option(min=1, max=120, help="Longest solve of one of its plans.")] = 12.0,
    format: FormatOption = Format.TABLE,
) -> None:
    """Run a study, take up one that was stopped, and write its report.

    Example: [bold]mdc design run studies/container.yaml[/bold]
    """
    from controller.design.candidates import candidates
    from controller.design.context import build
    from controller.design.planner_check import check_with_planner
    from controller.design.planner_table import planner_tables
    from controller.design.precheck import refuse_if_hopeless
    from controller.design.questions import answers
    from controller.design.report import write_report
    from controller.design.runner import run as run_study
    from controller.design.study import load_study
    from controller.design.summary import choose

    described, site, base = load_study(study)
    folder = out or study.with_suffix(".out")
    if fresh and folder.exists():
        shutil.rmtree(folder)
    context = build(described, site, base, say)
    refuse_if_hopeless(context, study.name)
    rows = _with_progress(
        lambda progress: run_study(
            context,
            folder,
            method=described.search.method,
            simulations=described.search.simulations,
            workers=workers,
            cluster=cluster,
            progress=progress,
        )
    )
    chosen = choose(context, described, site, rows)
    windows = described.finalists.planner_windows if planner_windows is None else planner_windows
    planner = None
    if windows:
        designs = candidates(context, described, site, rows, chosen)
        say(f"running {len(designs)} designs with the real planner in {windows} windows of four days")
        checked = _with_progress(
            lambda progress: check_with_planner(
                designs,
                site_folder=base.parent,
                kept_in=folder / "planner",
                count=windows,
                replan_h=replan_hours,
                solve_s=solve_seconds,
                workers=workers,
                progress=progress,
            ),
            what="windows",
        )
        planner = planner_tables(
            checked,
            context.groups[int(chosen.winner["group"])].prices,
            described.limits.loss_of_load_frac,
            replan_hours,
            solve_seconds,
        )
    page = report or folder / "report.html"
    write_report(context, described, site, rows, chosen, page, planner)
    if store:
        from controller.design.stored import stored_rows
        from controller.design.summary import headline
        from controller.records.design_rows import DesignRun, store_designs

        told = DesignRun(
            input_hash=context.input_hash, study=context.name, seed=context.seed, headline=headline(chosen)
        )
        say(f"{store_designs(store, told, stored_rows(rows)):,} designs written to the store")
    _show(context, rows, chosen, page, format, answers(context, described, rows))


def _with_progress(work: Callable[[Progress], Result], what: str = "design-years") -> Result:
    """Run ``work`` with a progress bar on stderr: share, rate and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("designing"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + what),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("designing", total=1.0, rate="")

        def progress(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

        return work(progress)


def _show(
    context: Context, rows: pd.DataFrame, chosen: Chosen, page: Path, format: Format, asked: tuple[Answer, ...]
) -> None:
    """Print the result."""
    from controller.design.detail import sizes_text
    from controller.design.summary import headline, money, unit_costs

    winner = chosen.winner
    if format is Format.JSON:
        unit = unit_costs(context, winner)
        document = {
            "study": context.name,
            "input_hash": context.input_hash,
            "seed": context.seed,
            "designs": len(rows),
            "allowed": int(rows["allowed"].sum()),
            "headline": headline(chosen),
            "winner": json.loads(winner.to_json()),
            "base": json.loads(chosen.base.to_json()),
            "fixed_load": json.loads(chosen.same_fixed.to_json()),
            "usd_per_gpu_h": unit.usd_per_gpu_h if unit.usd_per_gpu_h == unit.usd_per_gpu_h else None,
            "usd_per_mtoken": unit.usd_per_mtoken if unit.usd_per_mtoken == unit.usd_per_mtoken else None,
            "questions": [each.model_dump() for each in asked],
            "report": str(page),
        }
        write(json.dumps(document))
        return
    write(f"{len(rows):,} designs, {int(rows['allowed'].sum()):,} within every limit")
    policy = f"{winner['cap_policy']}, {winner['strategy']}, tilt {winner['tilt_deg'] or 'own'}"
    write(f"winner: {sizes_text(winner)}, {policy}")
    write(
        f"net present cost {money(winner['npc_usd'])}, ${winner['lcoe_usd_per_kwh']:.3f} a kWh, "
        f"{winner['fuel_l']:,.0f} L of diesel a year, {winner['loss_frac']:.4%} not served"
    )
    write(headline(chosen))
    for each in asked:
        best = f"{each.design}, {each.way}, {money(each.npc_usd)}" if each.npc_usd is not None else "no design"
        write(f"diesel at ${each.fuel_usd_per_l:.2f}, up to {each.shed_tolerance_frac or 0.0:.3%} unserved: {best}")
    write(f"report: {page}")
