"""Machine code is kept under the name of its sources, and only where it can be written."""

from __future__ import annotations

from pathlib import Path

from optimizer.sizing.compiled import cache_folder


def test_a_changed_source_gets_another_folder(tmp_path: Path) -> None:
    source = tmp_path / "battery.py"
    source.write_text("a = 1", encoding="utf-8")
    first = cache_folder([source], tmp_path)
    assert first is not None
    assert first.is_dir()
    assert cache_folder([source], tmp_path) == first
    source.write_text("a = 2", encoding="utf-8")
    assert cache_folder([source], tmp_path) not in (first, None)


def test_nothing_is_kept_where_no_folder_can_be_made(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert cache_folder([], blocked) is None
