"""Orders in the store: given once, previewed, withdrawn, and never over somebody else's head."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from controller.overrides.comparing import PreviewAnswer
from controller.overrides.orders import CapPool, ForbidGenset, HoldJob, HoldSoc, Order, PinJob, Standing
from controller.records.command_base import ChangedMeanwhileError
from controller.records.entries import PreviewEntry
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from controller.records.resume import read_inbox
from controller.records.store import open_engine
from controller.records.writing import write_entry
from sites.errors import InputError
from tests.controller.records.samples import SITE, START, fresh_url

ORDERS: list[Order] = [
    PinJob(job="a", start_utc=START + timedelta(hours=3), gpus=4.0),
    ForbidGenset(genset="diesel-1"),
    HoldSoc(soc_frac=0.6),
    CapPool(pool="h100", limit_w=250.0),
    HoldJob(job="b"),
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fresh_url(tmp_path)


def standing(order: Order, hours: float = 6.0) -> Standing:
    return Standing(order=order, expires_utc=START + timedelta(hours=hours))


def test_every_kind_of_order_comes_back_as_it_was_given(url: str) -> None:
    with OverrideCommands(url, SITE.name, role="operator") as commands, Reader(url, SITE.name) as reader:
        for seen, order in enumerate(ORDERS):
            given = Standing(order=order, from_utc=START if seen == 1 else None, expires_utc=START + timedelta(hours=6))
            commands.give(given, who="ann", why="because", at_utc=START + timedelta(seconds=seen), seen=seen)
        found = reader.overrides(START)
        assert [each.order for each in reversed(found)] == ORDERS
        assert found[3].from_utc == START
        assert {(each.who, each.why) for each in found} == {("ann", "because")}
        assert reader.order_version() == len(ORDERS)
        assert reader.overrides(START + timedelta(hours=6)) == ()
        assert len(reader.overrides()) == len(ORDERS)
        assert {(each.role, each.action) for each in reader.audit()} == {("operator", "override")}


def test_who_did_not_see_the_others_change_is_refused_and_told(url: str) -> None:
    with OverrideCommands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        identity = commands.give(standing(ORDERS[1]), who="ann", why="noise", at_utc=START, seen=0)
        with pytest.raises(ChangedMeanwhileError, match=r"ann: genset diesel-1 stop.*decide again"):
            commands.give(standing(ORDERS[2]), who="bob", why="storm", at_utc=START, seen=0)
        with pytest.raises(ChangedMeanwhileError):
            commands.withdraw(identity, who="bob", at_utc=START, seen=0)
        assert [each.who for each in reader.overrides(START)] == ["ann"]
        commands.give(standing(ORDERS[2]), who="bob", why="storm", at_utc=START, seen=1)
        commands.withdraw(identity, who="bob", at_utc=START, seen=2)
        assert [each.who for each in reader.overrides(START)] == ["bob"]
        with pytest.raises(InputError, match="override in force"):
            commands.withdraw(identity, who="bob", at_utc=START)


def test_of_many_at_the_same_moment_exactly_one_is_heard(url: str) -> None:
    heard: list[str] = []
    refused: list[str] = []

    def give(who: str) -> None:
        with OverrideCommands(url, SITE.name) as commands:
            try:
                commands.give(standing(HoldJob(job=who)), who=who, why="me", at_utc=START, seen=0)
            except ChangedMeanwhileError:
                refused.append(who)
            else:
                heard.append(who)

    threads = [threading.Thread(target=give, args=(f"operator-{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Reader(url, SITE.name) as reader:
        assert [each.who for each in reader.overrides(START)] == heard
        assert (len(heard), len(refused)) == (1, 5)


def test_a_preview_is_answered_and_kept_for_a_day(url: str) -> None:
    with OverrideCommands(url, SITE.name) as commands, Reader(url, SITE.name) as reader:
        identity = commands.ask(standing(ORDERS[0]), who="ann", why="try", at_utc=START)
        asked = reader.preview(identity)
        assert asked is not None
        assert (asked.state, asked.answer, asked.version) == ("asked", None, 0)
        assert asked.standing == standing(ORDERS[0])
        answer = PreviewAnswer(faults=("no",), nearest=standing(ORDERS[1]))
        engine = open_engine(url, durable=True)
        with Session(engine) as session:
            write_entry(session, SITE.name, PreviewEntry(id=identity, state="done", progress="", answer=answer))
            session.commit()
        engine.dispose()
        done = reader.preview(identity)
        assert done is not None
        assert (done.state, done.answer) == ("done", answer)
        assert reader.preview("nothing") is None
        commands.ask(standing(ORDERS[0]), who="ann", why="try", at_utc=START + timedelta(hours=25))
        assert reader.preview(identity) is None
        assert reader.order_version() == 0


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(datetime(2026, 6, 2, 3, 30, tzinfo=UTC), id="midnight in New York"),
        pytest.param(datetime(2026, 6, 1, 23, 30, tzinfo=UTC), id="midnight in UTC"),
        pytest.param(datetime(2026, 3, 8, 6, 30, tzinfo=UTC), id="spring forward"),
        pytest.param(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), id="fall back"),
    ],
)
def test_an_order_stands_whole_hours_over_midnight_and_clock_changes(url: str, start: datetime) -> None:
    order = Standing(order=HoldSoc(soc_frac=0.5), expires_utc=start + timedelta(hours=2))
    with OverrideCommands(url, SITE.name) as commands:
        commands.give(order, who="ann", why="test", at_utc=start, seen=0)
    engine = open_engine(url, durable=False)
    minutes = [
        minute
        for minute in range(-60, 180, 5)
        if any(each.acts(start + timedelta(minutes=minute)) for each in _inbox(engine, start, minute))
    ]
    engine.dispose()
    assert minutes == list(range(-60, 120, 5))


def _inbox(engine: Engine, start: datetime, minute: int) -> tuple[Standing, ...]:
    return read_inbox(engine, SITE.name, start + timedelta(minutes=minute)).overrides
