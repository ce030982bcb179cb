"""A disk that is really full: a file system of two megabytes where one may be made, else a limit on file size."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.records import recorder as recorder_module
from controller.records.entries import GuardEntry
from controller.records.journal import SLOT_BYTES, SLOTS, Journal
from tests.controller.records.samples import START, decision, fresh_url, open_recorder, telemetry

SIZE_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None], Callable[[], None]]]:
    """Return a folder on a small disk, and what fills it and what makes room again."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    filler = folder / "filler"

    def fill() -> None:
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
            return
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass

    def empty() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        filler.unlink(missing_ok=True)

    yield folder, fill, empty
    empty()
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_decisions_and_guard_actions_outlast_a_full_disk_and_detail_goes_first(
    disk: tuple[Path, Callable[[], None], Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, fill, empty = disk
    monkeypatch.setattr(recorder_module, "DETAIL_MAX", 50)
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.05)
    url = fresh_url(folder)
    recorder = open_recorder(url, folder)
    recorder._detail = type(recorder._detail)(maxlen=50)
    journal = folder / "guards.journal"
    assert journal.stat().st_size >= SLOTS * SLOT_BYTES
    fill()
    forced = decision("genset diesel-1", 1, "stop", origin="guard")
    recorder.act_first([forced])
    late = recorder.commit([decision("tiers", 1, "shed office" + "x" * 9000)], timeout_s=0.3)
    recorder.post(
        *(telemetry(float(i)) for i in range(200)),
        GuardEntry(at_utc=START, guard="g", reason_code="SHORTAGE", subject="load", text="", began=True),
    )
    assert not late.done()
    assert recorder.health.failing
    assert recorder.health.dropped >= 150
    noted = Journal(journal)
    assert [each.subject for each in noted.read()] == ["genset diesel-1"]
    noted.close()
    empty()
    late.result(10.0)
    recorder.close()
    with closing(sqlite3.connect(folder / "mdc.sqlite")) as store:
        assert store.execute("select count(*) from decisions").fetchone() == (2,)
        assert store.execute("select count(*) from guard_actions").fetchone() == (1,)
        assert store.execute("select count(*) from telemetry").fetchone() == (50,)
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)
