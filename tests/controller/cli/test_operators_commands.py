"""The command line beside the console: the same answers, the same commands, completion of what the site knows."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli.main import app
from controller.cli.output import table
from controller.overrides.orders import ForbidGenset, Standing
from controller.records.reading import Reader
from sites.errors import InputError
from tests.controller.web.answering import answering
from tests.controller.web.container_day import container_day, write_day

JOB = ("--name", "tune-7", "--pool", "h100", "--work-gpu-h", "4", "--gpus-max", "8", "--deadline", "2025-01-16T12:00")
IDENTITY = re.compile(r"\b[0-9a-f]{32}\b")
Mdc = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'a.sqlite'}"
    write_day(address, container_day(), review="pending")
    return address


@pytest.fixture
def mdc(url: str) -> Mdc:
    """Call a command on the store; returns what it printed."""

    def call(*words: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--store", url])
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exit_code == exit_code, (done.output, done.exception)
        return done.output

    return call


def test_a_shift_at_the_terminal(mdc: Mdc, url: str) -> None:
    with answering(url):
        _shift(mdc)


def _shift(mdc: Mdc) -> None:
    assert mdc("jobs", "submit", *JOB) == "queued: tune-7\n"
    assert "it came after the plan of Wed 15 Jan" in mdc("jobs", "why", "tune-7")
    assert "override" in mdc("jobs", "hold", "tune-7", "--why", "bad data")
    me = getpass.getuser()
    assert f"held by {me} until Wed 15 Jan 16:04: bad data" in mdc("jobs", "why", "tune-7")
    assert "held by" in mdc("jobs", "list")
    (row,) = json.loads(mdc("jobs", "list", "--format", "json"))
    assert row["why"]["reason_code"] == "OPERATOR"
    with pytest.raises(InputError, match="withdraw first"):
        mdc("jobs", "force", "tune-7", "--why", "hurry")
    mdc("jobs", "release", "tune-7")
    mdc("jobs", "force", "tune-7", "--at", "2025-01-15T15:00", "--why", "hurry")
    assert json.loads(mdc("jobs", "show", "tune-7", "--format", "json"))["why"]["starts_utc"] == "2025-01-15T20:00:00Z"
    assert "Why not now?" in mdc("jobs", "show", "tune-7")
    mdc("jobs", "cancel", "tune-7")
    with pytest.raises(InputError, match="not over"):
        mdc("jobs", "cancel", "tune-7")
    with pytest.raises(InputError, match="mdc jobs list"):
        mdc("jobs", "why", "tune-8")

    assert "Days left" in mdc("fuel", "show")
    announced = mdc("fuel", "announce", "2025-01-17T09:00", "800")
    assert "Days left with it" in announced
    identity = IDENTITY.findall(announced)[0]
    assert json.loads(mdc("fuel", "show", "--format", "json"))["deliveries"][0]["id"] == identity
    mdc("fuel", "withdraw", identity)
    with pytest.raises(InputError, match="of the tank"):
        mdc("fuel", "announce", "2025-01-17T09:00", "90000")

    (alarm,) = json.loads(mdc("alarms", "list", "--format", "json"))
    assert alarm["id"] in mdc("alarms", "list")
    mdc("alarms", "acknowledge", alarm["id"])
    assert me in mdc("alarms", "list")
    plan = IDENTITY.findall(mdc("review", "list"))[0]
    mdc("review", "reject", plan, "--why", "too dear")
    assert json.loads(mdc("review", "list", "--format", "json"))["pending"] == []
    assert "rejected" in mdc("audit", "container")
    actions = {each["action"] for each in json.loads(mdc("audit", "container", "--format", "json"))}
    assert {"jobs submit", "override", "fuel delivery", "alarm acknowledged", "review rejected"} <= actions


def test_the_plan_in_force_is_shown_from_the_store(mdc: Mdc) -> None:
    assert "container from" in mdc("plan", "container", "--in-force")
    assert len(json.loads(mdc("plan", "container", "--in-force", "--format", "json"))["intervals"]) > 10


def test_an_order_is_shown_with_its_cost_and_given_when_somebody_says_yes(mdc: Mdc, url: str) -> None:
    words = ("review", "override", "genset diesel-1", "stop", "--why", "noise", "--preview")
    with answering(url), Reader(url, "container") as reader:
        shown = mdc(*words)
        assert re.search(r"Costs more +\$30.00", shown)
        assert "Diesel more" in shown
        assert "Lateness more" in shown
        assert "nothing was ordered" in shown
        assert reader.overrides() == ()
        mdc(*words, "--yes")
        assert [each.why for each in reader.overrides()] == ["noise"]


NOISE = ("review", "override", "genset diesel-1", "stop", "--why", "noise")


def test_an_order_that_breaks_physics_is_refused_with_the_reason(mdc: Mdc, url: str) -> None:
    with answering(url, faults=("the battery would be empty at 04:00",)), Reader(url, "container") as reader:
        assert "empty at 04:00" in mdc(*NOISE, "--preview", "--yes", exit_code=2)
        assert reader.overrides() == ()


@pytest.mark.parametrize("words", [NOISE, ("jobs", "hold", "tune-7", "--why", "bad data")], ids=["override", "hold"])
def test_so_it_is_in_a_script_that_shows_nothing(mdc: Mdc, url: str, words: tuple[str, ...]) -> None:
    mdc("jobs", "submit", *JOB)
    now = container_day().snapshot.at_utc
    nearest = Standing(order=ForbidGenset(genset="diesel-1"), expires_utc=now + timedelta(minutes=30))
    fault = "the battery would be empty at 04:00, well before the sun is up, and no genset is left to charge it then"
    with answering(url, faults=(fault,), nearest=nearest), Reader(url, "container") as reader:
        with pytest.raises(InputError) as refused:
            mdc(*words)
        assert fault in str(refused.value)
        assert "the nearest that works: Keep genset diesel-1 off, until Wed 15 Jan 12:34 EST" in str(refused.value)
        assert reader.overrides() == ()


def test_a_script_gives_what_works_without_a_question(mdc: Mdc, url: str) -> None:
    with answering(url), Reader(url, "container") as reader:
        mdc(*NOISE)
        assert [each.why for each in reader.overrides()] == ["noise"]
        assert "no plan was made" not in reader.audit()[0].detail


def test_without_a_daemon_nobody_can_say_whether_an_order_works(mdc: Mdc, url: str) -> None:
    with Reader(url, "container") as reader:
        with pytest.raises(InputError, match=r"no answer of the planner.*mdc run.*--unchecked"):
            mdc(*NOISE)
        assert reader.overrides() == ()
        mdc(*NOISE, "--unchecked")
        assert [each.why for each in reader.overrides()] == ["noise"]
        assert "no plan was made under it" in reader.audit()[0].detail


def test_tables_have_colours_on_a_terminal_alone(url: str) -> None:
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "review", "list", "--store", url]
    environment = {**os.environ, "TERM": "xterm-256color"}
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "\x1b[" not in piped
    import pty

    seen, terminal = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(seen, 4096):
                shown += part
        except OSError:
            pass
        process.wait(30)
    os.close(seen)
    assert b"\x1b[33m" in shown
    assert b"waits" in shown


def test_names_stay_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    name, words = "embedding-backfill-20250114-2", "runs now and ends on Wednesday at half past ten in the morning"
    table(("job", "what now", "when"), [(name, words, "Thu 16 Jan 04:03")])
    assert name in screen.getvalue()


def completed(words: str, url: str) -> list[str]:
    """Return what bash is offered after ``words``, of which the last is being typed."""
    environment = {
        **os.environ,
        "_MDC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'mdc'; from controller.cli.main import main; main()"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_the_shell_completes_sites_and_what_the_store_knows(mdc: Mdc, url: str) -> None:
    mdc("jobs", "submit", *JOB)
    assert "container" in completed("mdc status con", url)
    assert completed(f"mdc jobs why --store {url} tun", url)[0] == "tune-7"
    assert "a" * 32 in completed(f"mdc review approve --store {url} a", url)
    assert "h100" in completed("mdc jobs submit --pool h", url)
    assert completed("mdc jobs why --store sqlite:///none.sqlite t", url) == []
