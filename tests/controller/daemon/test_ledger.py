"""The ledger of orders: what is a decision, when it stands, what a restart takes up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controller.daemon.ledger import Cause, Ledger, held_back, orders_of
from controller.guards.records import Reason
from controller.records.resume import LastOrder
from tests.controller.guards.ticks import START, mode, setpoints

PLAN = Cause(origin="plan", plan_id="p", reason_code="PLAN", text="as planned")


def changes(
    ledger: Ledger, allowed: Any, *, wanted: Any = None, reasons: Any = (), now_s: float = 0.0, **more: Any
) -> Any:
    usual: dict[str, Any] = {"level": "optimal", "over": frozenset(), "reachable": True}
    return ledger.changes(
        wanted or allowed, allowed, PLAN, reasons, now=START + timedelta(seconds=now_s), **{**usual, **more}
    )


def settled(ledger: Ledger, allowed: Any) -> None:
    made = changes(ledger, allowed)
    ledger.issue(made)
    ledger.take(made)
    ledger.acted(each.id for each in made)


def test_orders_are_what_is_discrete() -> None:
    orders = orders_of(setpoints(run=["diesel-1"], jobs=["a"], shed_tiers=("crew-cabin",)))
    assert orders == {
        "genset diesel-1": "run",
        "genset diesel-2": "stop",
        "job a": "8 x h100 @ 300 W",
        "service voice-agent": "l40s x8",
        "service document-chat": "h100 x8",
        "tiers": "shed crew-cabin",
    }


def test_idle_subjects_need_no_decision_and_nothing_is_told_twice() -> None:
    ledger = Ledger()
    first = changes(ledger, setpoints(jobs=["a"]))
    assert {each.subject: each.order_text for each in first} == {
        "job a": "8 x h100 @ 300 W",
        "service voice-agent": "l40s x8",
        "service document-chat": "h100 x8",
        "level": "optimal",
    }
    settled(ledger, setpoints(jobs=["a"]))
    assert changes(ledger, setpoints(jobs=["a"])) == ()


def test_genset_power_alone_is_no_decision() -> None:
    ledger = Ledger()
    settled(ledger, setpoints(run=["diesel-1"], kw=40.0))
    assert changes(ledger, setpoints(run=["diesel-1"], kw=20.0)) == ()


def test_numbers_count_without_gaps_and_a_vanished_job_is_paused() -> None:
    ledger = Ledger()
    settled(ledger, setpoints(jobs=["a"]))
    (pause,) = changes(ledger, setpoints(jobs=[]))
    assert (pause.subject, pause.seq, pause.order_text) == ("job a", 2, "pause")
    assert changes(ledger, setpoints(jobs=[]), over=frozenset({"a"})) == ()


def test_a_job_that_is_over_is_forgotten_for_good() -> None:
    """However many jobs have ended since, none is told to pause, and the ledger does not grow."""
    ledger = Ledger()
    for number in range(50):
        settled(ledger, setpoints(jobs=[f"j{number}"]))
        changes(ledger, setpoints(jobs=[]), over=frozenset({f"j{number}"}))
    assert changes(ledger, setpoints(jobs=[])) == ()
    assert not any(ledger.knows(f"job j{number}") for number in range(50))


def test_what_a_guard_changed_is_the_guards_decision() -> None:
    reason = Reason("reserve", "SOC_RESERVE", "genset diesel-1", "low")
    made = changes(Ledger(), setpoints(run=["diesel-1"], jobs=[]), wanted=setpoints(jobs=[]), reasons=[reason])
    origins = {each.subject: (each.origin, each.reason_code) for each in made}
    assert origins["genset diesel-1"] == ("guard", "SOC_RESERVE")
    assert origins["service voice-agent"] == ("plan", "PLAN")


def test_nobody_to_tell_means_no_orders_but_the_rung() -> None:
    assert [each.subject for each in changes(Ledger(), setpoints(), reachable=False)] == ["level"]


@pytest.mark.parametrize(("acted", "age_s", "again"), [(True, 900, False), (False, 60, False), (False, 301, True)])
def test_a_restart_goes_on_with_what_was_told(acted: bool, age_s: float, again: bool) -> None:
    told = LastOrder(
        subject="genset diesel-1",
        seq=7,
        order_text="run",
        decision_id="d7",
        acted=acted,
        expires_utc=START + timedelta(minutes=5),
    )
    ledger = Ledger([told])
    allowed = setpoints(run=["diesel-1"], jobs=[], services=())
    made = [each for each in changes(ledger, allowed, now_s=age_s) if each.subject != "level"]
    assert [each.seq for each in made] == ([8] if again else [])
    assert ledger.open_ids(allowed, level="optimal", reachable=True) == (() if acted else ("d7",))


def test_a_late_commit_never_undoes_a_later_order() -> None:
    ledger = Ledger()
    late = [each for each in changes(ledger, setpoints(run=["diesel-1"], jobs=[])) if "diesel-1" in each.subject]
    ledger.issue(late)
    forced = [each for each in changes(ledger, setpoints(run=["diesel-1"], jobs=[])) if "diesel-1" in each.subject]
    assert forced[0].seq == late[0].seq + 1
    ledger.issue(forced)
    ledger.take(forced)
    ledger.take(late)
    assert ledger.open_ids(setpoints(run=["diesel-1"], jobs=[]), level="", reachable=True) == (forced[0].id,)


def test_held_back_subjects_stay_as_they_were() -> None:
    before = setpoints(run=["diesel-1"], jobs=["a", "b"], shed_tiers=("crew-cabin",))
    allowed = setpoints(run=["diesel-2"], jobs=["b", "c"], services=())
    held = held_back(allowed, before, ["genset diesel-1", "job a", "job c", "tiers", "service voice-agent"])
    assert [(each.name, each.run) for each in held.gensets] == [("diesel-1", True), ("diesel-2", True)]
    assert sorted(each.name for each in held.jobs) == ["a", "b"]
    assert held.shed_tiers == ("crew-cabin",)
    assert [each.name for each in held.services] == ["voice-agent"]


def test_with_nothing_before_held_back_means_idle() -> None:
    held = held_back(setpoints(run=["diesel-1"], jobs=["a"]), None, ["genset diesel-1", "job a", "service voice-agent"])
    assert not held.gensets[0].run
    assert held.jobs == ()
    assert [each.mode for each in held.services] == [mode(8)]
