"""``mdc --help`` and every subcommand show an example; each is understood by its command, and runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from controller.cli.main import app
from controller.devices.compute.gpu_remote import HelperLine
from controller.records.entries import ScoresEntry
from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS, open_engine
from controller.records.writing import write_entry
from controller.reference.commands import _walk
from sites.errors import InputError
from tests.controller.devices.power.bench_site import Bench
from tests.controller.mqtt.mosquitto import Broker, Listener
from tests.controller.records.test_foresight import night
from tests.controller.reports.measured_day import MIDNIGHT, store_with_measured_day
from tests.controller.web.answering import answering
from tests.controller.web.container_day import container_day, write_day
from tests.docs.stage import WITH_GPUS_TOLD, bench_devices, running, until, write_files, write_site

EXAMPLE = re.compile(r"Example:?\s*((?:\[bold\].*?\[/bold\](?: or )?)+)", re.DOTALL)
BOLD = re.compile(r"\[bold\](.*?)\[/bold\]", re.DOTALL)
MAIN = typer.main.get_command(app)
COMMANDS = dict(_walk("mdc", MAIN))
STORE = "sqlite:///var/mdc.sqlite"
pytestmark = pytest.mark.timeout(900)
UNTIL_STOPPED = {"mdc run", "mdc reload", "mdc mqtt", "mdc devices helper"}
"""Commands that go on until they are stopped, and the one that wants such a one beside it: each has a test of its own."""
STANDS_FOR = {"postgresql://mdc@fleet.example/fleet": "sqlite:///fleet.sqlite", "--user mdc": f"--user {os.getuid()}"}
"""What stands here for what only a real site has; equipment stands on a bench."""
SHORTER = {
    "mdc run": "--port 0",
    "mdc simulate": "--days 0.05 --drain-days 0 --solve-seconds 1",
    "mdc solve": "--seconds 2",
    "mdc devices watch": "--count 1",
    "mdc design run": "--workers 1 --planner-windows 0",
}
"""What is added so that an example ends soon, and disturbs no other console."""
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


def test_help_itself_shows_an_example_that_runs(folder: Path) -> None:
    (found,) = examples(MAIN.epilog or "")
    assert "container.yaml is in order" in called(found)


def test_groups_say_what_they_are_for_and_show_the_example_of_one_of_theirs() -> None:
    groups = [each for each in getattr(MAIN, "commands", {}).values() if getattr(each, "commands", None)]
    assert groups
    for group in groups:
        assert group.help
        (shown,) = examples(group.epilog or "")
        assert shown in [found for each in group.commands.values() for found in examples(each.help or "")], (
            f"mdc {group.name}: {shown} is no command's own example, which would be run"
        )


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


@pytest.fixture(scope="module")
def line() -> Iterator[str]:
    """Address of a bench with equipment of every kind."""
    bench = Bench.open()
    yield f"tcp://127.0.0.1:{bench.server.ports[0]}"
    bench.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, where commands are given."""
    (tmp_path / "var").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_here(path: str, example: str, line: str = "") -> str:
    """Return an example with what stands here for the world, and short."""
    for there, here in {**STANDS_FOR, "tcp://192.168.1.40:502": line}.items():
        example = example.replace(there, here)
    return f"{example} {SHORTER.get(path, '')}".strip()


@pytest.mark.parametrize("path", sorted(set(COMMANDS) - UNTIL_STOPPED))
def test_the_example_runs(path: str, stores: dict[str, Path], line: str, folder: Path) -> None:
    shutil.copy(stores.get(path.split()[1], stores[""]), folder / "var" / "mdc.sqlite")
    write_files(folder)
    write_site(folder, devices=bench_devices(line))
    asks = answering(STORE) if path.split()[1] in ("jobs", "review") else nullcontext()
    with asks:
        for example in examples(COMMANDS[path].help or ""):
            called(BEFORE.get(path, ""))
            called(as_here(path, with_ids(example), line))


def test_the_daemons_example_runs_and_it_takes_a_reload(folder: Path) -> None:
    (example,) = examples(COMMANDS["mdc run"].help or "")
    (reload,) = examples(COMMANDS["mdc reload"].help or "")
    with running(as_here("mdc run", example), folder) as process:
        until(lambda: (folder / "var" / "mdc.sqlite").exists() and now_in(STORE) is not None, process, folder)
        before = now_in(STORE)
        called(reload)
        until(lambda: now_in(STORE) != before, process, folder)


def now_in(url: str) -> object:
    """Return the present that a store holds; none while there is none."""
    try:
        with Reader(url, "container") as reader:
            return reader.now()
    except (InputError, *STORE_FAULTS):
        return None


def test_the_bridges_example_runs(stores: dict[str, Path], folder: Path, tmp_path: Path) -> None:
    shutil.copy(stores[""], folder / "var" / "mdc.sqlite")
    (example,) = examples(COMMANDS["mdc mqtt"].help or "")
    broker = Broker(tmp_path)
    broker.start()
    try:
        write_site(folder, mqtt={"address": f"mqtt://127.0.0.1:{broker.port}", "with_daemon": False})
        with Listener(broker.port) as listener, running(example, folder):
            assert json.loads(listener.until("mdc/container/state", bool))["battery_soc_frac"] > 0.0
    finally:
        broker.stop()


def test_the_gpu_helpers_example_runs(folder: Path) -> None:
    gpus = [{"pool": "l40s", "driver": "nvml", "helper": str(folder / "gpu.sock")}]
    write_site(folder, "cabinet", devices={"compute": {"gpus": gpus}})
    (example,) = examples(COMMANDS["mdc devices helper"].help or "")
    with running(as_here("", example), folder, first=WITH_GPUS_TOLD) as process:
        until((folder / "gpu.sock").exists, process, folder)
        line = HelperLine(str(folder / "gpu.sock"))
        assert line.gpus()[0].limit_range().max_w == 300.0
        line.close()
    assert "the safe cap stays" in (folder / "example.log").read_text(encoding="utf-8")


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
