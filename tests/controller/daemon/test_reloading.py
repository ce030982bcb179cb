"""Reading the site file again: what is taken, what is refused and named, and what systemd hears."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from controller.daemon.loop import Loop
from controller.daemon.reloading import Refused, Taken, keep_copy, reread
from controller.records.reading import Reader
from controller.records.site_lock import daemon_pid
from sites.load import find_site, load_site
from sites.ports import SystemClock
from tests.controller.daemon.prepared import SITE
from tests.controller.daemon.test_loop import options

WORDS = find_site("container").read_text(encoding="utf-8")
TUNED = WORDS + "\nprices: {diesel_usd_per_l: 3.25}\nplanning: {interval_minutes: 30}\n"
LARGER = TUNED.replace("capacity_kwh: 1200", "capacity_kwh: 1300")


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (WORDS, ()),
        (TUNED, ("prices.diesel_usd_per_l", "planning.interval_minutes")),
        (WORDS.replace("per_day: 4", "per_day: 5"), ("batch",)),
        (WORDS.replace("100 kW-class GPU container", "the container"), ("description",)),
    ],
)
def test_what_people_tune_is_taken(tmp_path: Path, words: str, changed: tuple[str, ...]) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(words, encoding="utf-8")
    found = reread(str(file), load_site("container"))
    assert isinstance(found, Taken)
    assert set(found.changed) == set(changed)
    assert found.site == load_site(file)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (LARGER.encode(), "battery.capacity_kwh can change only with a restart"),
        (WORDS.replace("name: container", "name: box", 1).encode(), "name can change only with a restart"),
        (b"\nstore: {telemetry_every_s: 5}\n", "store.telemetry_every_s"),
        (b"\nprices: {diesel_usd_per_l: -1}\n", "diesel_usd_per_l"),
        (b"\nprices: {diesel: 1}\n", "prices.diesel"),
        (b"\nprices: {diesel_usd_per_l: 1}\nprices: [\n", "YAML"),
        (b"\n# \xff\n", "utf-8"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_named(tmp_path: Path, words: bytes, named: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(words if b"version:" in words else WORDS.encode() + words)
    found = reread(str(file), load_site("container"))
    assert isinstance(found, Refused)
    assert named in found.text


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    assert isinstance(reread(str(tmp_path / "none.yaml"), SITE), Refused)


def test_the_copy_for_the_other_processes_is_the_file_in_force(tmp_path: Path) -> None:
    keep_copy(SITE, tmp_path / "copy.json")
    assert load_site(tmp_path / "copy.json") == SITE


def turn_until(loop: Loop, said: list[str], word: str) -> str:
    """Turn the loop until it says a word; return that line."""
    for _ in range(200):
        loop._turn()
        found = next((line for line in said if word in line), "")
        if found:
            said.clear()
            return found
    raise AssertionError(f"never said {word!r}: {said}")


def listen(systemd: socket.socket, heard: list[str]) -> None:
    """Collect what systemd hears until the daemon stops."""
    while not heard or heard[-1] != "STOPPING=1":
        heard.append(systemd.recv(1000).decode())


def test_a_running_loop_takes_a_good_file_and_refuses_a_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, address, said = tmp_path / "site.yaml", str(tmp_path / "notify"), list[str]()
    file.write_text(WORDS, encoding="utf-8")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        heard = list[str]()
        listener = threading.Thread(target=listen, args=(systemd, heard), daemon=True)
        listener.start()
        given = replace(options(tmp_path), site_file=str(file))
        loop = Loop(given, host=SystemClock(), say=said.append)
        try:
            turn_until(loop, said, "preparing 3/3")
            for _ in range(20):
                loop._turn()
            worker = loop._planner.pid
            file.write_text(LARGER, encoding="utf-8")
            loop.reload()
            for _ in range(100):
                loop._turn()
                if any(key[0] == "SITE_FILE_REFUSED" for key in loop._alarms._open):
                    break
            assert load_site(loop._site_copy) == load_site("container")
            assert loop._planner.pid == worker
            file.write_text(TUNED, encoding="utf-8")
            loop.reload()
            text = turn_until(loop, said, "site file taken")
            assert "prices.diesel_usd_per_l, planning.interval_minutes" in text
            assert load_site(loop._site_copy) == load_site(file) == loop._site
            assert loop._desk.interval.total_seconds() == 1800
            turn_until(loop, said, "preparing 3/3")
            assert loop._planner.pid not in (None, worker)
        finally:
            loop.close()
        listener.join(10.0)
    told = [each for each in heard if each != "WATCHDOG=1"]
    assert [each.partition("=")[0] for each in told] == [
        "READY",
        "RELOADING",
        "READY",
        "RELOADING",
        "READY",
        "STOPPING",
    ]
    assert "MONOTONIC_USEC=" in told[1]
    assert "battery.capacity_kwh can change only with a restart" in told[2]
    assert "site file taken" in told[4]
    with Reader(given.url, SITE.name) as reader:
        raised = [each for each in reader.alarms(open_only=False) if each.code == "SITE_FILE_REFUSED"]
        assert [each.cleared_utc is not None for each in raised] == [True]
        assert "site file" in [each.action for each in reader.audit(limit=50)]


def test_mdc_reload_asks_the_daemon_that_holds_the_store(tmp_path: Path) -> None:
    file, store = tmp_path / "site.yaml", f"sqlite:///{tmp_path / 'mdc.sqlite'}"
    file.write_text(WORDS, encoding="utf-8")
    mdc = [sys.executable, "-c", "from controller.cli.main import main; main()"]
    ask = [*mdc, "reload", str(file), "--store", store]
    assert daemon_pid(store, "container") is None
    nobody = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert (nobody.returncode, "no daemon of container" in nobody.stderr) == (2, True)
    file.write_text(WORDS + "\nprices: {diesel: 1}\n", encoding="utf-8")
    bad = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert (bad.returncode, "prices.diesel" in bad.stderr) == (2, True)
    file.write_text(WORDS, encoding="utf-8")
    run = [*mdc, "run", str(file), "--port", "0", "--store", store, "--speed", "60"]
    environment = {**os.environ, "MDC_LOG": "INFO", "MDC_LOG_FORMAT": "json"}
    daemon = subprocess.Popen(run, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment)
    try:
        assert "first control cycle" in line_with(daemon, "first control cycle")
        assert daemon_pid(store, "container") == daemon.pid
        file.write_text(TUNED, encoding="utf-8")
        subprocess.run(ask, capture_output=True, check=True)
        line = line_with(daemon, "site file taken")
        assert '"site": "container"' in line
        assert '"process": "run"' in line
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=20)
    assert daemon.returncode == 0
    assert daemon_pid(store, "container") is None


def line_with(process: subprocess.Popen[bytes], word: str, *, seconds: float = 30.0) -> str:
    """Return the first line of error output with a word in it."""
    assert process.stderr is not None
    end, seen = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        if select.select([process.stderr], [], [], 0.2)[0]:
            seen += os.read(process.stderr.fileno(), 65536)
            for line in seen.split(b"\n"):
                if word.encode() in line:
                    return line.decode()
    raise AssertionError(f"no {word!r} in {seen.decode()[-2000:]}")
