"""Backfill over a link that carries only little at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from controller.records import backfill as backfill_module
from controller.records.backfill import backfill
from tests.controller.records.samples import fresh_url, open_recorder, telemetry

ROWS, CARRIED = 700, 150


def test_a_link_that_carries_little_gets_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "site", tmp_path / "fleet"
    here.mkdir()
    there.mkdir()
    url, fleet = fresh_url(here), fresh_url(there)
    recorder = open_recorder(url, here)
    recorder.post(*(telemetry(float(i)) for i in range(ROWS)))
    recorder.close()
    real = backfill_module._Sender._write

    def thin(self: Any, session: Any, table: Any, rows: Sequence[Any], changing: bool) -> None:
        if len(rows) > CARRIED:
            raise OperationalError("insert", None, ConnectionError("cut"))
        real(self, session, table, rows, changing)

    monkeypatch.setattr(backfill_module._Sender, "_write", thin)
    sent = backfill(url, fleet, "container", wait=lambda seconds: None, attempts=6, batch=2000)
    assert sent.rows["telemetry"] == ROWS
    assert sent.cuts > 0
    with sqlite3.connect(there / "mdc.sqlite") as store:
        assert store.execute("select count(*), count(distinct at_utc) from telemetry").fetchone() == (ROWS, ROWS)
