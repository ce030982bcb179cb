"""A few short days of the fault campaign, and that it notices a guard that is missing. The long run is a benchmark."""

from __future__ import annotations

from datetime import timedelta

import pytest

from benchmarks.faults import OFF, switched_off
from controller.faults.campaign import START, draw_injections, run_day
from controller.faults.kinds import Fault, Injection
from tests.controller.daemon.prepared import SITE


def one(fault: Fault, minutes: float = 15.0) -> tuple[Injection, ...]:
    begin = START + timedelta(minutes=0 if fault is Fault.GENSET_NO_START else 20)
    return (Injection(fault, begin, begin + timedelta(minutes=minutes)),)


@pytest.mark.parametrize(
    "fault", [Fault.TIMEOUT, Fault.SOC_JUMP, Fault.BMS_OPEN, Fault.GENSET_NO_START, Fault.KILLED, Fault.STORE_LOCKED]
)
def test_a_faulty_hour_holds(fault: Fault) -> None:
    result = run_day(SITE, 3, hours=1.0, injections=one(fault), soc_frac=0.18)
    assert result.violations == ()
    assert fault in result.spoilt or fault in (Fault.KILLED, Fault.STORE_LOCKED)
    assert (result.kills > 0) is (fault is Fault.KILLED)


@pytest.mark.parametrize(("guard", "fault"), OFF)
def test_the_campaign_notices_a_missing_guard(guard: str, fault: Fault) -> None:
    held, missed = switched_off(SITE, guard, fault)
    assert held.violations == ()
    assert missed.violations != ()


def test_days_repeat_and_every_fault_gets_its_turn() -> None:
    first = run_day(SITE, 5, hours=0.5, injections=one(Fault.SOC_NAN, 5.0))
    assert first == run_day(SITE, 5, hours=0.5, injections=one(Fault.SOC_NAN, 5.0))
    drawn = {draw_injections(seed, 24.0)[0].fault for seed in range(len(Fault))}
    assert drawn == set(Fault)
