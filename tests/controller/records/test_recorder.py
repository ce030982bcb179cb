"""The recorder: durable commits in order, bounded queues, what a restart takes up, the guards' journal."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.overrides.orders import RunGenset, Standing
from controller.records import recorder as recorder_module
from controller.records.commands import Commands
from controller.records.entries import (
    ActedEntry,
    AlarmCleared,
    AlarmRaised,
    GuardEntry,
    JobProgress,
    JobSubmitted,
    OutcomeEntry,
    TwinEntry,
    WorldEntry,
)
from controller.records.journal import SLOT_BYTES, SLOTS, Journal
from controller.records.override_commands import OverrideCommands
from controller.records.people_tables import JobRow
from controller.records.reading import Reader
from controller.records.recorder import Recorder
from controller.records.resume import read_inbox, read_resumed
from controller.records.store import open_engine
from controller.setpoints import Outcome, Verdict
from optimizer.plan import Level
from tests.controller.records.samples import (
    SITE,
    START,
    decision,
    fresh_url,
    job,
    now_entry,
    open_recorder,
    plan_entry,
    telemetry,
)

LATER = START + timedelta(days=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fresh_url(tmp_path)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Return what plain SQLite says, without the program's own mapping."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return connection.execute(query).fetchall()


def test_a_commit_is_in_the_store_when_it_returns(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    plan = plan_entry()
    done = recorder.commit([plan, decision(plan_id=plan.id)], timeout_s=5.0)
    assert done.done()
    assert rows(url, "select id from plans") == [(plan.id,)]
    assert rows(url, "select subject, seq, acted_utc from decisions") == [("genset diesel-1", 1, None)]
    recorder.close()


def test_everything_posted_is_written_once_and_read_back(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    plan = plan_entry()
    recorder.commit([plan, decision(plan_id=plan.id)], timeout_s=5.0)
    recorder.post(
        now_entry(level=Level.OPTIMAL, plan_id=plan.id),
        telemetry(0.0, pv_kw=5.0),
        telemetry(0.0, pv_kw=5.0),
        ActedEntry(ids=(decision().id,), at_utc=START),
        GuardEntry(at_utc=START, guard="soc_low", reason_code="SOC_LOW", subject="load", text="low", began=True),
        OutcomeEntry(
            at_utc=START, outcome=Outcome(device="g1", what="run", asked=True, found=False, verdict=Verdict.REFUSED)
        ),
        AlarmRaised(code="SOC_LOW", subject="load", severity="critical", text="low", at_utc=START),
        AlarmRaised(code="SOC_LOW", subject="load", severity="critical", text="low", at_utc=START),
        JobSubmitted(job=job(), who="stream", at_utc=START),
        JobSubmitted(job=job(), who="stream", at_utc=START),
        JobProgress(
            name="tune-1",
            state="running",
            done_frac=0.25,
            pool="h100",
            gpus=8,
            limit_w=300,
            at_utc=START,
            event="started",
            text="8 x h100",
        ),
        TwinEntry(at_utc=START, document=lambda: "{}"),
        WorldEntry(at_utc=START, document="{}"),
    )
    recorder.close()
    with Reader(url, SITE.name) as reader:
        now = reader.now()
        assert now is not None
        assert (now.level, now.plan_id, now.speed) == (Level.OPTIMAL, plan.id, 1.0)
        assert reader.site() == SITE
        followed = reader.latest_plan(followed=True)
        assert followed is not None
        assert (followed.plan, followed.problem, followed.forecast) == (plan.plan, plan.problem, plan.forecast)
        assert [head.id for head in reader.plans(START, LATER)] == [plan.id]
        assert [point.pv_kw for point in reader.telemetry(START, LATER)] == [5.0]
        assert [point.rate_rps for point in reader.service_rates(START, LATER)] == [3.0]
        (told,) = reader.decisions(START, LATER, subject="genset diesel-1")
        assert told.acted_utc == START
        (action,) = reader.guard_actions(START, LATER)
        assert (action.guard, action.began) == ("soc_low", True)
        (outcome,) = reader.outcomes(START, LATER, only_odd=True)
        assert (outcome.asked, outcome.found) == ("True", "False")
        assert len(reader.alarms()) == 1
        (stored,) = reader.jobs(["running"])
        assert (stored.done_frac, stored.who, stored.gpus) == (0.25, "stream", 8)
        assert [event.event for event in reader.job_events("tune-1")] == ["submitted", "started"]
        assert len(reader.forecasts(START, LATER)) == 1


def test_an_alarm_ends_once(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    raised = AlarmRaised(code="INLET_HOT", subject="load", severity="warning", text="hot", at_utc=START)
    recorder.post(raised, AlarmCleared(code="INLET_HOT", subject="load", at_utc=LATER), raised)
    recorder.close()
    with Reader(url, SITE.name) as reader:
        assert len(reader.alarms()) == 1
        assert sorted(alarm.cleared_utc is None for alarm in reader.alarms(open_only=False)) == [False, True]


def test_the_same_number_is_never_given_twice(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    recorder.commit([decision(order="run")], timeout_s=5.0)
    recorder.commit([decision(order="stop", id="f" * 32)], timeout_s=5.0)
    recorder.close()
    assert rows(url, "select order_text from decisions") == [("run",)]


def test_a_locked_store_delays_and_loses_nothing(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    late = recorder.commit([decision()], timeout_s=0.05)
    assert not late.done()
    recorder.post(telemetry(1.0))
    threading.Timer(0.3, lambda: other.execute("rollback")).start()
    late.result(10.0)
    recorder.close()
    other.close()
    assert rows(url, "select count(*) from decisions") == [(1,)]
    assert rows(url, "select count(*) from telemetry") == [(1,)]


def test_a_full_disk_drops_detail_first_and_keeps_decisions(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "DETAIL_MAX", 5)
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.02)
    recorder = Recorder(url, SITE, clock=recorder_clock(), journal=tmp_path / "j")
    recorder._detail = type(recorder._detail)(maxlen=5)
    recorder.start()
    real, full = recorder._write, threading.Event()
    full.set()
    monkeypatch.setattr(recorder, "_write", lambda engine, entries: False if full.is_set() else real(engine, entries))
    late = recorder.commit([decision()], timeout_s=0.05)
    recorder.post(
        *(telemetry(float(i)) for i in range(12)),
        GuardEntry(at_utc=START, guard="g", reason_code="SHORTAGE", subject="load", text="", began=True),
    )
    assert recorder.health.dropped == 7
    full.clear()
    late.result(5.0)
    recorder.close()
    assert rows(url, "select count(*) from decisions") == [(1,)]
    assert rows(url, "select count(*) from guard_actions") == [(1,)]
    assert rows(url, "select count(*), min(at_utc) from telemetry") == [(5, "2026-06-01 06:00:07.000000")]


def recorder_clock() -> object:
    from sites.ports import ManualClock

    return ManualClock(START)


def test_restart_finds_orders_plant_plan_and_alarms(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    plan = plan_entry()
    recorder.commit(
        [
            plan,
            decision(seq=1, order="run"),
            decision(seq=2, order="stop"),
            decision("job tune-1", 1, "8 x h100 @ 300 W"),
            decision("job gone", 1, "8 x h100 @ 300 W"),
        ],
        timeout_s=5.0,
    )
    recorder.post(
        JobSubmitted(job=job(), who="me", at_utc=START),
        now_entry(30.0),
        TwinEntry(at_utc=START, document=lambda: "twin"),
        WorldEntry(at_utc=START, document="world"),
        ActedEntry(ids=(decision(seq=2).id,), at_utc=START),
        AlarmRaised(code="INLET_HOT", subject="load", severity="warning", text="hot", at_utc=START),
    )
    recorder.close()
    engine = open_engine(url, durable=False)
    found = read_resumed(engine, SITE.name)
    engine.dispose()
    assert (found.plan_id, found.twin, found.world) == (plan.id, "twin", "world")
    assert found.at_utc == START + timedelta(seconds=30)
    assert found.alarms == (("INLET_HOT", "load"),)
    orders = {each.subject: (each.seq, each.order_text, each.acted) for each in found.orders}
    assert orders == {"genset diesel-1": (2, "stop", True), "job tune-1": (1, "8 x h100 @ 300 W", False)}


def test_inbox_shows_jobs_cancellations_reviews_and_overrides(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    recorder.commit([plan_entry(review="pending")], timeout_s=5.0)
    with Commands(url, SITE.name) as commands:
        commands.submit_jobs([job("a"), job("b")], who="me", at_utc=START)
        commands.cancel_job("b", who="me", at_utc=START)
        commands.review_plan("p" * 32, approve=True, who="boss", why="", at_utc=START)
    order = Standing(order=RunGenset(genset="diesel-1"), expires_utc=START + timedelta(hours=1))
    with OverrideCommands(url, SITE.name) as overrides:
        identity = overrides.give(order, who="me", why="test", at_utc=START, seen=0)
        asked = overrides.ask(order, who="me", why="test", at_utc=START)
    engine = open_engine(url, durable=False)
    inbox = read_inbox(engine, SITE.name, START + timedelta(minutes=1))
    assert [each.name for each in inbox.jobs] == ["a"]
    assert inbox.cancelled == ("b",)
    assert inbox.reviews == (("p" * 32, "approved"),)
    assert inbox.overrides == (order.model_copy(update={"id": identity, "who": "me"}),)
    assert inbox.previews == ((asked, order),)
    assert read_inbox(engine, SITE.name, START + timedelta(hours=2)).overrides == ()
    with OverrideCommands(url, SITE.name) as overrides:
        overrides.withdraw(identity, who="me", at_utc=START)
    assert read_inbox(engine, SITE.name, START + timedelta(minutes=1)).overrides == ()
    engine.dispose()
    recorder.close()


def test_a_row_that_another_version_wrote_stops_neither_the_inbox_nor_the_records(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = open_recorder(url, tmp_path)
    with Commands(url, SITE.name) as commands:
        commands.submit_jobs([job("a"), job("b")], who="me", at_utc=START)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        row = session.scalars(select(JobRow).where(JobRow.name == "b")).one()
        row.document = row.document.replace("{", '{"of_tomorrow": 1, ', 1)
        session.commit()
    for _ in range(2):
        assert [each.name for each in read_inbox(engine, SITE.name, START).jobs] == ["a"]
    assert len([each for each in caplog.records if "JobRow b" in each.message]) == 1
    recorder.commit([plan_entry()], timeout_s=30.0).result(30.0)
    engine.dispose()
    recorder.close()


def test_journal_keeps_what_a_killed_process_noted(url: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "guards.journal")
    noted = [decision("tiers", seq, f"shed {seq}", origin="guard") for seq in (1, 2, 3)]
    for each in noted:
        journal.note(each)
    assert (tmp_path / "guards.journal").stat().st_size == SLOTS * SLOT_BYTES
    recorder = open_recorder(url, tmp_path)
    recorder.close()
    assert rows(url, "select seq, order_text, acted_utc is null from decisions order by seq") == [
        (1, "shed 1", 1),
        (2, "shed 2", 1),
        (3, "shed 3", 1),
    ]
    open_recorder(url, tmp_path).close()
    assert rows(url, "select count(*) from decisions") == [(3,)]


def test_journal_of_a_store_that_was_replaced_is_taken_up_without_its_plans(url: str, tmp_path: Path) -> None:
    Journal(tmp_path / "guards.journal").note(decision("tiers", 1, "shed", origin="guard", plan_id="of the lost store"))
    open_recorder(url, tmp_path).close()
    assert rows(url, "select seq, order_text, plan_id from decisions") == [(1, "shed", None)]


def test_journal_leaves_out_torn_slots_and_wraps(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    for seq in range(1, SLOTS + 3):
        journal.note(decision("tiers", seq, "shed", at_utc=START + timedelta(seconds=seq)))
    journal.close()
    torn = bytearray(path.read_bytes())
    torn[5 * SLOT_BYTES + 20] ^= 0xFF
    path.write_bytes(torn)
    found = [each.seq for each in Journal(path).read()]
    assert len(found) == SLOTS - 1
    assert found[0] == 3
    assert found[-1] == SLOTS + 2


def test_journal_cuts_a_long_text_to_fit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.note(replace(decision(), text="x" * 5000))
    (found,) = journal.read()
    assert (found.id, found.text) == (decision().id, "")


def test_acting_first_reaches_the_store_in_order(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    recorder.act_first([decision("tiers", 1, "shed a", origin="guard")])
    recorder.post(ActedEntry(ids=(decision("tiers", 1).id,), at_utc=START))
    recorder.commit([decision("tiers", 2, "serve all")], timeout_s=5.0)
    recorder.close()
    assert rows(url, "select seq, acted_utc is null from decisions order by rowid") == [(1, 0), (2, 1)]
