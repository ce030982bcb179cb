"""Free memory goes back to the system."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from controller.records.heap import give_back


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells resident memory in /proc")
def test_what_was_freed_below_what_is_kept_goes_back() -> None:
    blocks = [bytes(10_000) for _ in range(8_000)]  # below the size from which each block is mapped by itself
    last = bytes(10_000)
    full_mb = resident_mb()
    del blocks
    give_back()
    assert last
    assert resident_mb() < full_mb - 40.0


def test_another_platform_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back()
