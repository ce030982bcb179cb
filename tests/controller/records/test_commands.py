"""Commands: refused before anything is written, one audit line each."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from controller.job_desk import check_jobs
from controller.records import writing
from controller.records.command_base import ChangedMeanwhileError
from controller.records.commands import Commands
from controller.records.entries import JobProgress
from controller.records.fuel_commands import FuelCommands
from controller.records.reading import Reader
from controller.records.resume import read_inbox
from controller.records.store import open_engine
from sites.errors import InputError
from tests.controller.records.samples import SITE, START, fresh_url, job, open_recorder, plan_entry


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fresh_url(tmp_path)


def test_jobs_are_queued_all_or_none(url: str) -> None:
    with Commands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        commands.submit_jobs([job("a")], who="me", at_utc=START)
        with pytest.raises(InputError, match=r"\[1\].name: found 'a'") as error:
            commands.submit_jobs([job("b"), job("a"), job("b")], who="me", at_utc=START)
        assert len(error.value.faults) == 2
        assert [each.name for each in reader.jobs()] == ["a"]
        assert [each.action for each in reader.audit()] == ["jobs submit"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "../etc"}, "name"),
        ({"name": ""}, "name"),
        ({"pools": ()}, "pools"),
        ({"deadline_utc": START - timedelta(hours=1), "release_utc": START - timedelta(hours=2)}, "deadline_utc"),
    ],
)
def test_jobs_that_cannot_be_are_refused(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as error:
        check_jobs([job(**fields)], SITE, START, source="options")
    assert [fault.field for fault in error.value.faults] == [field]


def test_only_a_job_that_is_not_over_can_be_cancelled(url: str) -> None:
    with Commands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        with pytest.raises(InputError, match="there are no jobs yet"):
            commands.cancel_job("a", who="me", at_utc=START)
        commands.submit_jobs([job("a")], who="me", at_utc=START)
        commands.cancel_job("a", who="me", at_utc=START)
        with pytest.raises(InputError, match="only a job that is not over"):
            commands.cancel_job("a", who="me", at_utc=START)
        assert [event.event for event in reader.job_events("a")] == ["submitted", "cancelled"]


def test_a_review_needs_a_pending_plan_and_a_rejection_a_reason(url: str, tmp_path: Path) -> None:
    recorder = open_recorder(url, tmp_path)
    recorder.commit([plan_entry(review="pending")], timeout_s=5.0)
    recorder.close()
    with Commands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        assert len(reader.pending_plans()) == 1
        with pytest.raises(InputError, match="say why"):
            commands.review_plan("p" * 32, approve=False, who="boss", why=" ", at_utc=START)
        commands.review_plan("p" * 32, approve=False, who="boss", why="too dear", at_utc=START)
        with pytest.raises(InputError, match="only a pending plan"):
            commands.review_plan("p" * 32, approve=True, who="boss", why="", at_utc=START)
        with pytest.raises(InputError, match="id of a plan"):
            commands.review_plan("q", approve=True, who="boss", why="", at_utc=START)
        (review,) = reader.reviews()
        assert (review.verdict, review.who, review.why) == ("rejected", "boss", "too dear")
        assert reader.pending_plans() == ()


def test_deliveries_and_refused_commands_are_kept(url: str) -> None:
    with (
        Commands(url, SITE.name) as commands,
        FuelCommands(url, SITE.name) as fuel,
        Reader(url, SITE.name) as reader,
    ):
        fuel.add(START + timedelta(days=2), 1500.0, who="me", at_utc=START, usd_per_l=1.7)
        commands.refuse("override", "genset diesel-1 run", who="guest", at_utc=START)
        with pytest.raises(InputError, match="above 0"):
            fuel.add(START, -1.0, who="me", at_utc=START)
        assert [each.litres for each in reader.deliveries()] == [1500.0]
        engine = open_engine(url, durable=False)
        assert [each.litres for each in read_inbox(engine, SITE.name, START).deliveries] == [1500.0]
        assert read_inbox(engine, SITE.name, START + timedelta(days=3)).deliveries == ()
        engine.dispose()
        assert sorted(each.outcome for each in reader.audit()) == ["done", "refused"]


def test_a_delivery_announced_by_mistake_is_withdrawn_and_no_longer_counted_on(url: str) -> None:
    with FuelCommands(url, SITE.name, role="operator") as fuel, Reader(url, SITE.name) as reader:
        wrong = fuel.add(START + timedelta(days=2), 8000.0, who="ann", at_utc=START, seen=0)
        with pytest.raises(ChangedMeanwhileError, match="ann: 8000 L"):
            fuel.add(START + timedelta(days=2), 800.0, who="bob", at_utc=START, seen=0)
        with pytest.raises(ChangedMeanwhileError):
            fuel.withdraw(wrong, who="bob", at_utc=START, seen=0)
        fuel.withdraw(wrong, who="ann", at_utc=START, seen=1)
        with pytest.raises(InputError, match="delivery that stands"):
            fuel.withdraw(wrong, who="bob", at_utc=START)
        engine = open_engine(url, durable=False)
        assert read_inbox(engine, SITE.name, START).deliveries == ()
        engine.dispose()
        assert reader.deliveries() == ()
        assert {(each.who, each.action) for each in reader.audit()} == {
            ("ann", "fuel delivery"),
            ("ann", "fuel delivery withdrawn"),
        }


def test_a_cancellation_between_reading_and_writing_a_jobs_progress_stands(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Commands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        commands.submit_jobs([job("a")], who="ann", at_utc=START)
        read = writing.find_job

        def read_and_cancelled(session: Session, site: str, name: str) -> object:
            found = read(session, site, name)
            monkeypatch.setattr(writing, "find_job", read)
            commands.cancel_job("a", who="ann", at_utc=START)
            return found

        monkeypatch.setattr(writing, "find_job", read_and_cancelled)
        engine = open_engine(url, durable=False)
        with Session(engine) as session:
            running = JobProgress(
                name="a", state="running", done_frac=0.1, pool="h100", gpus=4.0, limit_w=300.0,
                at_utc=START, event="started", text="",
            )  # fmt: skip
            writing.write_entry(session, SITE.name, running)
            session.commit()
        engine.dispose()
        found = reader.job("a")
        assert found is not None
        assert found.state == "cancelled"
        assert [each.event for each in reader.job_events("a")] == ["submitted", "cancelled"]


@pytest.mark.parametrize("what", ["submit", "cancel"])
def test_of_many_who_do_the_same_at_once_one_is_heard_and_the_others_are_told(url: str, what: str) -> None:
    wanted = job("same")
    if what == "cancel":
        with Commands(url, SITE.name) as commands:
            commands.submit_jobs([wanted], who="ann", at_utc=START)
    heard: list[str] = []
    told: list[InputError] = []
    together = threading.Barrier(5)

    def act(who: str) -> None:
        with Commands(url, SITE.name) as commands:
            together.wait()
            try:
                if what == "submit":
                    commands.submit_jobs([wanted], who=who, at_utc=START)
                else:
                    commands.cancel_job("same", who=who, at_utc=START)
            except InputError as error:
                told.append(error)
            else:
                heard.append(who)

    threads = [threading.Thread(target=act, args=(f"operator-{i}",)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(heard), len(told)) == (1, 4)
    with Reader(url, SITE.name) as reader:
        last = reader.job_events("same")[-1]
        assert last.text == f"by {heard[0]}"
