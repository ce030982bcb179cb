"""The present on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from controller.cli.status import status
from sites.errors import InputError
from tests.controller.web.container_day import store_with_day


def _run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(status)
    found = CliRunner().invoke(app, list(arguments))
    if found.exception is not None:
        raise found.exception
    return found.stdout


def test_status_says_what_a_person_asks_first(tmp_path: Path) -> None:
    lines = _run("--store", store_with_day(tmp_path)).replace("\u202f", " ").splitlines()
    assert lines[0] == "container  Wed 15 Jan 12:04 EST, 120x speed"
    assert lines[1] == "ladder     optimal, plan of 12:00 in force, charge now 59 %"
    assert "diesel     2 710 L, 65 days left at 35.6 L a day" in lines
    assert any(line.startswith("battery takes") for line in lines)
    assert "pool       l40s: 63 GPUs, 13.1 kW, limit 300 W" in lines
    assert "service    acute-imaging: 4.2 requests/min, l40s fp16 x2 @ 300 W" in lines
    assert lines[-1].startswith("alarm      warning: gpu l40s 6/3: one GPU of node 6 answers no more")
    assert max(len(line) for line in lines[:-1]) <= 80


def test_status_as_json_is_one_document(tmp_path: Path) -> None:
    found = json.loads(_run("--store", store_with_day(tmp_path), "--format", "json"))
    assert found["level"] == "optimal"
    assert found["alarms"][0]["code"] == "SENSOR_LOST"


def test_without_a_store_it_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mdc run"):
        _run("--store", f"sqlite:///{tmp_path / 'none.sqlite'}")
    assert list(tmp_path.iterdir()) == []
