"""Orders and reviews through the whole loop: re-planned at once, previewed, kept over restarts, midnight and clock changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.daemon.loop import Loop, LoopOptions
from controller.overrides.orders import CapPool, ForbidGenset, HoldJob, HoldSoc, Order, PinJob, Standing
from controller.records.commands import Commands
from controller.records.fuel_commands import FuelCommands
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from sites.ports import SystemClock
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, START, job

STUB = "tests.controller.daemon.stub_worker"
NAME = SITE.name


def planning(**change: object) -> Site:
    return SITE.model_copy(update={"planning": SITE.planning.model_copy(update=change)})


@contextmanager
def looping(folder: Path, *, site: Site = SITE, start: datetime = START) -> Iterator[Loop]:
    """Yield a loop that has its plant and its first plan; its clock runs ahead and waits for plans."""
    options = LoopOptions(
        site=site,
        site_file="container",
        url=url(folder),
        speed=3600.0,
        start_utc=start,
        port=None,
        worker_memory_mb=2048,
        worker_module=STUB,
    )
    loop = Loop(options, host=SystemClock())
    try:
        until(loop, lambda: loop._twin is not None and loop._ladder.newest is not None)
        yield loop
    finally:
        loop.close()


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'mdc.sqlite'}"


def until(loop: Loop, there: Callable[[], object], turns: int = 400) -> None:
    """Turn the loop until something is there."""
    for _ in range(turns):
        if there():
            return
        loop._turn()
    pytest.fail("it did not come")


def give(folder: Path, order: Order, at: datetime, *, hours: float = 8.0) -> str:
    standing = Standing(order=order, expires_utc=at + timedelta(hours=hours))
    with OverrideCommands(url(folder), NAME) as commands:
        return commands.give(standing, who="ann", why="test", at_utc=at, seen=commands.version())


def now(folder: Path) -> datetime:
    with Reader(url(folder), NAME) as reader:
        found = reader.now()
    assert found is not None
    return found.at_utc


def forbidden(loop: Loop) -> bool:
    newest = loop._ladder.newest
    return newest is not None and any(newest.problem.gensets[0].forbidden)


def test_an_order_is_planned_around_at_once_and_over_a_restart_until_it_ends(tmp_path: Path) -> None:
    with looping(tmp_path) as loop:
        first = loop._ladder.newest
        assert first is not None
        identity = give(tmp_path, ForbidGenset(genset="diesel-1"), now(tmp_path), hours=3.0)
        until(loop, lambda: forbidden(loop))
        asked = loop._ladder.newest
        assert asked is not None
        assert asked.made_utc - first.made_utc < timedelta(minutes=SITE.planning.interval_minutes)
    with looping(tmp_path) as loop:
        assert [each.id for each in loop._recorder.inbox.overrides] == [identity]
        newest = loop._ladder.newest
        assert newest is not None
        until(loop, lambda: loop._ladder.newest is not newest)
        assert forbidden(loop)
        ends = loop._recorder.inbox.overrides[0].expires_utc
        until(loop, lambda: loop._clock.now_utc() > ends and not forbidden(loop))
        until(loop, lambda: loop._recorder.inbox.overrides == ())


def test_diesel_that_is_announced_or_withdrawn_is_planned_with_at_once(tmp_path: Path) -> None:
    def counted_on(loop: Loop) -> list[float]:
        newest = loop._ladder.newest
        assert newest is not None
        tank = newest.problem.tank
        return [each.litres for each in tank.deliveries] if tank is not None else []

    with looping(tmp_path) as loop, FuelCommands(url(tmp_path), NAME) as fuel:
        first = loop._ladder.newest
        assert first is not None
        at = now(tmp_path)
        identity = fuel.add(at + timedelta(hours=20), 500.0, who="ann", at_utc=at)
        until(loop, lambda: counted_on(loop) == [500.0])
        asked = loop._ladder.newest
        assert asked is not None
        assert asked.made_utc - first.made_utc < timedelta(minutes=SITE.planning.interval_minutes)
        fuel.withdraw(identity, who="ann", at_utc=now(tmp_path))
        until(loop, lambda: counted_on(loop) == [])


def test_an_order_stands_over_a_clock_change_and_one_given_ahead_of_the_clock_acts(tmp_path: Path) -> None:
    start = datetime(2026, 3, 8, 6, 45, tzinfo=UTC)
    with looping(tmp_path, start=start) as loop:
        give(tmp_path, HoldSoc(soc_frac=0.5), start, hours=0.5)
        give(tmp_path, HoldJob(job="x"), start + timedelta(hours=1))
        until(loop, lambda: len(loop._recorder.inbox.overrides) == 2)
        assert all(each.acts(loop._clock.now_utc()) for each in loop._recorder.inbox.overrides)
        until(loop, lambda: loop._clock.now_utc() >= start + timedelta(minutes=29))
        assert len(loop._recorder.inbox.overrides) == 2
        until(loop, lambda: len(loop._recorder.inbox.overrides) == 1)
        assert loop._clock.now_utc() - start < timedelta(minutes=45)


def test_a_preview_is_worked_out_and_changes_nothing(tmp_path: Path) -> None:
    with looping(tmp_path) as loop, Reader(url(tmp_path), NAME) as reader:
        at = now(tmp_path)
        with Commands(url(tmp_path), NAME) as commands:
            commands.submit_jobs([job("mine", at)], who="ann", at_utc=at)
        until(loop, lambda: "mine" in loop._book.jobs)
        pin = Standing(order=PinJob(job="mine", start_utc=at + timedelta(hours=3)), expires_utc=at + timedelta(hours=9))
        with OverrideCommands(url(tmp_path), NAME) as orders:
            first = orders.ask(pin, who="ann", why="", at_utc=at)
            cap = Standing(order=CapPool(pool="h100", limit_w=250.0), expires_utc=at + timedelta(hours=9))
            second = orders.ask(cap, who="bob", why="", at_utc=at)

        def done(identity: str) -> bool:
            found = reader.preview(identity)
            return found is not None and found.state == "done"

        until(loop, lambda: done(first) and done(second))
        answer = reader.preview(first)
        assert answer is not None
        assert answer.answer is not None
        told = answer.answer.difference
        assert told is not None
        assert [shift.name for shift in told.jobs if shift.name == "mine"] == ["mine"]
        assert reader.overrides() == ()
        newest = loop._ladder.newest
        assert newest is not None
        assert not any(each.running and each.name == "mine" for each in newest.problem.jobs if not each.preemptible)


def pending(reader: Reader) -> str:
    found = reader.pending_plans()
    return found[0].id if found else ""


def test_a_plan_waits_is_approved_and_followed_or_rejected_and_not(tmp_path: Path) -> None:
    site = planning(review="review", answer_minutes=600.0)
    with looping(tmp_path, site=site) as loop, Reader(url(tmp_path), NAME) as reader:
        until(loop, lambda: pending(reader))
        waits = pending(reader)
        for _ in range(5):
            loop._turn()
        assert loop._ladder.approved is None
        assert loop._ladder.newest is not None
        assert loop._ladder.newest.id == waits
        with Commands(url(tmp_path), NAME) as commands:
            commands.review_plan(waits, approve=True, who="ann", why="", at_utc=now(tmp_path))
        until(loop, lambda: loop._ladder.approved is not None)
        until(loop, lambda: pending(reader))
        second = pending(reader)
        assert second != waits
        assert loop._ladder.approved is not None
        assert loop._ladder.approved.id == waits
    with looping(tmp_path, site=site) as loop, Reader(url(tmp_path), NAME) as reader:
        assert loop._ladder.approved is not None
        assert loop._ladder.approved.id == waits
        assert pending(reader) == second
        with Commands(url(tmp_path), NAME) as commands:
            commands.review_plan(second, approve=False, who="ann", why="too dear", at_utc=now(tmp_path))
        until(loop, lambda: loop._ladder.newest is not None and loop._ladder.newest.review == "rejected")
        assert loop._ladder.approved.id == waits


def test_the_site_file_answers_when_nobody_does(tmp_path: Path) -> None:
    site = planning(review="review", answer_minutes=20.0, unanswered="approve")
    with looping(tmp_path, site=site) as loop, Reader(url(tmp_path), NAME) as reader:
        until(loop, lambda: loop._ladder.approved is not None)
        (review, *_) = reader.reviews()
        assert (review.verdict, review.who) == ("approved", "site file")
        assert review.why == "nobody answered within 20 minutes"


def test_a_plan_that_waits_gives_way_to_one_made_around_an_order(tmp_path: Path) -> None:
    site = planning(review="review", answer_minutes=1200.0)
    with looping(tmp_path, site=site) as loop, Reader(url(tmp_path), NAME) as reader:
        until(loop, lambda: pending(reader))
        old = pending(reader)
        give(tmp_path, ForbidGenset(genset="diesel-1"), now(tmp_path))
        until(loop, lambda: pending(reader) not in ("", old))
        found = reader.plan(old)
        assert found is not None
        assert found.head.review == "superseded"
