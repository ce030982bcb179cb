"""``mdc --help`` and every subcommand show an example; each is understood by its command, and runs where it can here."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from controller.cli.main import app
from controller.records.entries import ScoresEntry
from controller.records.store import open_engine
from controller.records.writing import write_entry
from controller.reference.commands import _walk
from tests.controller.records.test_foresight import night
from tests.controller.reports.measured_day import MIDNIGHT, store_with_measured_day
from tests.controller.web.container_day import container_day, write_day
from tests.docs.shown import ROOT

EXAMPLE = re.compile(r"Example:?\s*((?:\[bold\].*?\[/bold\](?: or )?)+)", re.DOTALL)
BOLD = re.compile(r"\[bold\](.*?)\[/bold\]", re.DOTALL)
MAIN = typer.main.get_command(app)
COMMANDS = dict(_walk("mdc", MAIN))
ELSEWHERE = {
    "mdc run": "docs/tutorial.md",
    "mdc plan": "docs/tutorial.md",
    "mdc forecast show": "tests/forecasting/test_cli_forecast.py",
    "mdc design check": "docs/how-to/run-a-design-study.md",
    "mdc reload": "tests/controller/daemon/test_reloading.py",
    "mdc mqtt": "tests/controller/mqtt",
    "mdc simulate": "docs/tutorial.md",
    "mdc design run": "docs/how-to/run-a-design-study.md",
    "mdc calibrate": "docs/how-to/calibrate-a-gpu.md",
    "mdc solve": "docs/tutorial.md",
    "mdc forecast backtest": "tests/forecasting/test_cli_forecast.py",
    "mdc db backfill": "tests/controller/records/test_postgres.py",
    "mdc devices discover": "tests/controller/cli/test_devices_command.py",
    "mdc devices helper": "tests/controller/devices/compute/test_gpu_helper.py",
    "mdc devices probe": "tests/controller/cli/test_devices_command.py",
    "mdc devices release": "tests/controller/cli/test_devices_command.py",
    "mdc devices watch": "tests/controller/cli/test_devices_command.py",
    "mdc devices write": "tests/controller/cli/test_devices_command.py",
}
"""Commands whose example needs a daemon, equipment, a fleet or minutes, and what runs the command instead."""
BEFORE = {
    "mdc access link": "mdc access add asha --role operator",
    "mdc access revoke": "mdc access add asha --role operator",
    "mdc jobs cancel": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00",
    "mdc jobs show": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00",
    "mdc jobs why": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00",
    "mdc jobs force": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00",
    "mdc jobs hold": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00",
    "mdc jobs release": "mdc jobs submit --name tune-7 --pool h100 --work-gpu-h 40 --gpus-max 8 --deadline 2030-06-02T08:00"
    " && mdc jobs hold tune-7 --why 'bad data'",
    "mdc fuel withdraw": "mdc fuel announce 2025-01-17T09:00 800",
    "mdc review withdraw": 'mdc review override "genset diesel-1" run --hours 2 --why "storm ahead"',
}
"""What has to be there for an example."""


def examples(help_text: str) -> list[str]:
    """Return the example commands of a help text."""
    return [" ".join(each.split()) for found in EXAMPLE.findall(help_text) for each in BOLD.findall(found)]


def mdc_calls(example: str) -> list[list[str]]:
    """Return the words of each ``mdc`` call in an example."""
    return [words for part in example.split("&&") if (words := shlex.split(part))[0] == "mdc"]


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_command_shows_an_example_that_it_understands(path: str) -> None:
    found = examples(COMMANDS[path].help or "")
    assert found, f"{path} --help has no example"
    for call in (call for example in found for call in mdc_calls(example)):
        shown = CliRunner().invoke(app, [*call[1:], "--help"])
        assert shown.exit_code == 0, (call, shown.output)
        command = next(name for name in sorted(COMMANDS, key=len, reverse=True) if " ".join(call).startswith(name))
        COMMANDS[command].make_context(command, call[len(command.split()) :])


def test_help_itself_shows_an_example() -> None:
    assert examples(MAIN.epilog or "")


def test_groups_say_what_they_are_for() -> None:
    groups = {
        each.name: each.help for each in getattr(MAIN, "commands", {}).values() if getattr(each, "commands", None)
    }
    assert groups
    assert all(groups.values())


@pytest.mark.parametrize("path", sorted(ELSEWHERE))
def test_what_runs_elsewhere_is_there(path: str) -> None:
    place = ROOT / ELSEWHERE[path]
    files = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
    words = {path.split()[-1], path.split()[-1].replace("show", "forecast")}
    assert any(word in file.read_text(encoding="utf-8") for word in words for file in files)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stores as ``mdc run`` leaves them: one with a whole measured day, one whose plan waits for a person."""
    measured = tmp_path_factory.mktemp("measured")
    url = store_with_measured_day(measured)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        scored = night(0).model_copy(update={"night_utc": MIDNIGHT})
        write_entry(session, "container", ScoresEntry(night=scored))
        session.commit()
    engine.dispose()
    waiting = tmp_path_factory.mktemp("waiting") / "mdc.sqlite"
    write_day(f"sqlite:///{waiting}", container_day(), review="pending")
    happened = Path(url.removeprefix("sqlite:///"))
    return {"report": happened, "forecast": happened, "": waiting}


RUN_HERE = sorted(set(COMMANDS) - set(ELSEWHERE))


@pytest.mark.parametrize("path", RUN_HERE)
def test_the_example_runs(path: str, stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var").mkdir()
    shutil.copy(stores.get(path.split()[1], stores[""]), tmp_path / "var" / "mdc.sqlite")
    monkeypatch.chdir(tmp_path)
    for example in examples(COMMANDS[path].help or ""):
        called(BEFORE.get(path, ""))
        called(with_ids(example))


def with_ids(example: str) -> str:
    """Return an example with the ids that a reader would copy from ``mdc review list``."""
    if not re.search(r" (PLAN|ID)\b", example):
        return example
    listing = {"fuel": "mdc fuel show", "alarms": "mdc alarms list"}.get(example.split()[1])
    if listing is not None:
        identity = re.findall(r"^ *([0-9a-f]{32}) ", called(listing), re.MULTILINE)[0]
        return re.sub(r" ID\b", f" {identity}", example)
    ids = dict(re.findall(r"^ *(waits|override) +(\S+)", called("mdc review list"), re.MULTILINE))
    return re.sub(r" PLAN\b", f" {ids['waits']}", re.sub(r" ID\b", f" {ids.get('override', '')}", example))


def called(example: str) -> str:
    """Call each ``mdc`` of an example as ``main`` does; return what they printed."""
    printed = ""
    for call in mdc_calls(example) if example else ():
        done = CliRunner().invoke(app, call[1:])
        assert done.exit_code == 0, f"$ {shlex.join(call)}\n{done.output}{done.exception}"
        printed += done.output
    return printed
