"""The document that is renewed every cycle: the newest whole one comes back, whatever cut it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.records.keepsake import MOST_BYTES, SLOT_BYTES, Keepsake


def test_the_newest_comes_back_after_a_restart(tmp_path: Path) -> None:
    kept = Keepsake(tmp_path / "a")
    assert kept.read() is None
    for number in range(5):
        assert kept.keep(b"%d" % number)
    kept.close()
    again = Keepsake(tmp_path / "a")
    assert again.read() == b"4"
    again.keep(b"5")
    assert again.read() == b"5"


@pytest.mark.parametrize("cut_at", [0, 8, 17, 40])
def test_a_torn_slot_leaves_the_one_before(tmp_path: Path, cut_at: int) -> None:
    kept = Keepsake(tmp_path / "a")
    kept.keep(b"whole" * 10)
    kept.keep(b"newer" * 10)
    kept.close()
    file = tmp_path / "a"
    content = bytearray(file.read_bytes())
    content[cut_at] ^= 0xFF
    file.write_bytes(content)
    assert Keepsake(file).read() == b"whole" * 10


def test_too_long_a_document_and_a_file_of_another_size_are_borne(tmp_path: Path) -> None:
    kept = Keepsake(tmp_path / "a")
    kept.keep(b"short")
    assert not kept.keep(b"x" * (MOST_BYTES + 1))
    assert kept.read() == b"short"
    (tmp_path / "b").write_bytes(b"x" * SLOT_BYTES)
    assert Keepsake(tmp_path / "b").read() is None
