"""Reading the desk: at most once in a while, plans only once, and going on when the store does not."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from starlette.requests import Request

from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS
from controller.reports.local_times import local_times
from controller.web.app import Console
from controller.web.desk import FRESH_S, DeskReader
from controller.web.plan_section import PRESENT_STEP, FigureCache, solve_words
from sites.load import load_site
from sites.ports import ManualClock
from tests.controller.web.container_day import START, container_day

SITE = load_site("container")


def test_many_viewers_cost_one_reading(day_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = Reader.now
    monkeypatch.setattr(Reader, "now", lambda reader: calls.append(1) or original(reader))
    clock = ManualClock(START)
    reader = DeskReader(day_store, SITE, clock)
    for _ in range(50):
        reader.current()
    assert len(calls) == 1
    clock.advance(FRESH_S + 0.1)
    reader.current()
    assert len(calls) == 2
    reader.close()


@pytest.mark.parametrize(
    ("gap", "bound", "words"),
    [
        (0.004, 100.4, "within 0.4\u202f% of the best possible"),
        (-1e-6, 99.9, "within 0.1\u202f% of the best possible"),
        (21.7, 187.0, "at most $87.00 below the best possible"),
        (None, None, "solved in"),
    ],
)
def test_how_good_a_plan_is(gap: float | None, bound: float | None, words: str) -> None:
    plan = container_day().plan.model_copy(update={"gap_frac": gap, "bound_usd": bound, "net_value_usd": 100.0})
    assert words in solve_words(plan)


def test_many_viewers_cost_one_rendering(day_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(START)
    reader = DeskReader(day_store, SITE, clock)
    console = Console(reader)
    calls = []
    monkeypatch.setattr("controller.web.app.now_context", lambda desk: calls.append(desk) or {"now": None})
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    bodies = {bytes(console.now_fragment(request).body) for _ in range(50)}
    assert len(calls) == len(bodies) == 1
    clock.advance(2 * FRESH_S)
    console.now_fragment(request)
    assert len(calls) == 2
    reader.close()


def test_a_plan_is_read_once(day_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = Reader.plan
    monkeypatch.setattr(Reader, "plan", lambda reader, plan_id: calls.append(plan_id) or original(reader, plan_id))
    clock = ManualClock(START)
    reader = DeskReader(day_store, SITE, clock)
    for _ in range(5):
        assert reader.current().followed
        clock.advance(2 * FRESH_S)
    assert len(calls) == 1
    reader.close()


def test_the_last_desk_stays_when_the_store_cannot_be_read(day_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(START)
    reader = DeskReader(day_store, SITE, clock)
    before = reader.current()

    def locked(_: Reader) -> None:
        raise STORE_FAULTS[0]("database is locked")

    monkeypatch.setattr(Reader, "now", locked)
    clock.advance(2 * FRESH_S)
    after = reader.current()
    assert after.stale
    assert after.now == before.now
    monkeypatch.undo()
    clock.advance(2 * FRESH_S)
    assert not reader.current().stale
    reader.close()


def test_charts_are_drawn_once_a_plan_and_step(day_store: str) -> None:
    reader = DeskReader(day_store, SITE, ManualClock(START))
    stored = reader.current().plan
    reader.close()
    assert stored is not None
    zone, drawn = ZoneInfo("America/New_York"), FigureCache()
    first = drawn.figures(stored, zone, START)
    assert drawn.figures(stored, zone, START + PRESENT_STEP / 2) is first
    assert drawn.figures(stored, zone, START + PRESENT_STEP) is not first


@pytest.mark.parametrize(
    ("words", "local"),
    [
        ("starts 04:15Z", "starts Wed 15 Jan 23:15"),
        ("starts 18:00Z", "starts Wed 15 Jan 13:00"),
        ("until 2025-01-17T04:15:00Z, or 12:00Z", "until Thu 16 Jan 23:15, or Thu 16 Jan 07:00"),
        ("until 2025-01-17T04:15:00+00:00", "until Thu 16 Jan 23:15"),
        ("nothing to change at 04:15", "nothing to change at 04:15"),
        ("changes to h100 x16 @ 350 W 16 03:02Z", "changes to h100 x16 @ 350 W Wed 15 Jan 22:02"),
        ("starts 15 17:00Z, stops 17 01:00Z", "starts Wed 15 Jan 12:00, stops Thu 16 Jan 20:00"),
        ("on the 99 04:15Z", "on the 99 04:15Z"),
    ],
)
def test_times_in_reasons_are_local(words: str, local: str) -> None:
    assert local_times(words, ZoneInfo("America/New_York"), START) == local


def test_a_time_just_before_the_start_is_tomorrow() -> None:
    zone = ZoneInfo("UTC")
    assert local_times("16:59Z", zone, START) == f"{'Thu 16 Jan'} 16:59"
    assert local_times("17:00Z", zone, START - timedelta(0)) == "Wed 15 Jan 17:00"
