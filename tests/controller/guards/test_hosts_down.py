"""Orderly shutdown and unattended black start, as tables of ticks."""

from __future__ import annotations

from typing import Any

import pytest

from controller.guards.hosts_down import hosts_of
from controller.guards.records import GuardResult
from controller.snapshot import GensetPhase, Snapshot
from tests.controller.guards.ticks import SITE, codes, genset, job_names, play, setpoints, snapshot

PLAIN = SITE
POOLS = tuple(each.model_copy(update={"can_power_off": True}) for each in PLAIN.pools)
OFFABLE = PLAIN.model_copy(update={"pools": POOLS})
TOTAL = sum(pool.nodes for pool in POOLS)
STUCK = (genset("diesel-1", phase=GensetPhase.LOCKED_OUT), genset("diesel-2", phase=GensetPhase.LOCKED_OUT))
RUNNING = (genset("diesel-1", phase=GensetPhase.RUNNING), STUCK[1])
FLOOR = 0.10


def low(at_s: float, soc: float, **fields: Any) -> Snapshot:
    return snapshot(at_s, **{"soc": soc, "power_kw": 1.0, "gensets": STUCK, **fields})


def up(result: GuardResult) -> int | None:
    nodes = result.setpoints.nodes_on
    return None if nodes is None else sum(nodes.values())


def test_hosts_are_shut_down_in_order_and_come_back_one_by_one() -> None:
    asked = setpoints()
    critical = {each.name for each in OFFABLE.services if each.critical}
    course = [(0, FLOOR + 0.02), (10, FLOOR + 0.006), (20, FLOOR + 0.002), (30, FLOOR + 0.004)]
    ticks = [low(float(at_s), soc) for at_s, soc in course]
    ticks += [low(40.0 + 20 * i, FLOOR + 0.004 + 0.0001 * i, gensets=RUNNING) for i in range(TOTAL + 2)]
    results = play(ticks, asked, site=OFFABLE)
    assert up(results[0]) is None
    shut = results[1]
    assert up(shut) in range(1, TOTAL)
    assert {each.name for each in shut.setpoints.services if each.mode.gpus} <= critical
    assert job_names(shut) == []
    assert up(results[2]) == 0
    assert "HOSTS_DOWN" in codes(results[2])
    assert [each for each in results[2].setpoints.services if each.mode.gpus] == []
    assert up(results[3]) == 0, "it does not come back before something feeds the site"
    back = [up(result) for result in results[4:]]
    assert back[:3] == [0, 1, 2]
    assert back[-1] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"gensets": RUNNING},
        {"gensets": (genset("diesel-1", phase=GensetPhase.CRANKING), STUCK[1])},
        {"pv_kw": 80.0, "pv_available_kw": 80.0},
    ],
)
def test_nothing_is_shut_down_while_help_is_there_or_near(fields: dict[str, Any]) -> None:
    (result,) = play([low(0.0, FLOOR + 0.001, **fields)], site=OFFABLE)
    assert up(result) is None


def test_hosts_that_cannot_be_powered_off_stay_on() -> None:
    pools = tuple(each.model_copy(update={"can_power_off": False}) for each in POOLS)
    (result,) = play([low(0.0, FLOOR + 0.001)], site=OFFABLE.model_copy(update={"pools": pools}))
    assert up(result) is None


def test_hosts_of_critical_services_come_first() -> None:
    first, second = (pool.name for pool in POOLS)
    assert hosts_of(OFFABLE, {first: 1, second: 2}, 2) == {first: 1, second: 1}
    assert hosts_of(OFFABLE, {first: 1, second: 2}, 5) == {first: 3, second: 2}
    assert hosts_of(OFFABLE, {first: 0, second: 0}, 0) == {first: 0, second: 0}
