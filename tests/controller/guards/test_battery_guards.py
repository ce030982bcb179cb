"""Voltage and heat of the battery, as tables of ticks."""

from __future__ import annotations

import pytest

from tests.controller.guards.ticks import SITE, any_runs, codes, job_names, play, setpoints, site_with, snapshot

GUARDED = site_with(battery={"voltage_limits_v": (480.0, 576.0)})
ALL_JOBS = ["cheap", "dear", "urgent"]


@pytest.mark.parametrize(
    ("course_v", "held"),
    [
        # two seconds at the limit are a load step, three are none; it ends 1 % below
        ([570.0, 576.0, 577.0, 578.0, 573.0, 571.0, 570.0], [0, 0, 0, 1, 1, 1, 0]),
        ([576.0, 576.0, 575.9, 576.0, 576.0], [0, 0, 0, 0, 0]),
        ([None, 580.0, None, 580.0], [0, 0, 0, 0]),
    ],
)
def test_no_charge_at_the_upper_voltage(course_v: list[float | None], held: list[int]) -> None:
    ticks = [snapshot(float(i), voltage_v=volts, load_kw=60.0) for i, volts in enumerate(course_v)]
    results = play(ticks, site=GUARDED)
    assert [int("VOLTAGE_HIGH" in codes(result)) for result in results] == held
    for result, holds in zip(results, held, strict=True):
        limit_kw = result.setpoints.battery_limit_kw
        assert (limit_kw is not None and limit_kw[0] == 0.0) is bool(holds)
        assert (result.setpoints.pv_limit_kw == 60.0) is bool(holds)
        assert job_names(result) == ALL_JOBS


def test_load_goes_at_the_lower_voltage_and_comes_back_well_above_it() -> None:
    course = [
        (0, 500.0),
        (1, 479.0),
        (2, 479.0),
        (3, 479.0),
        (4, 478.0),
        (20, 485.0),
        (40, 478.0),
        (60, 478.0),
        (61, 495.0),
    ]
    ticks = [snapshot(float(at_s), voltage_v=volts, soc=0.6) for at_s, volts in course]
    results = play(ticks, site=GUARDED)
    assert ["VOLTAGE_LOW" in codes(result) for result in results] == [False] * 3 + [True] * 5 + [False]
    cut, deep, back = results[4], results[7], results[8]
    assert job_names(cut) == []
    assert any_runs(cut)
    assert cut.setpoints.shed_tiers
    assert len(cut.setpoints.services) == len(setpoints().services)
    critical = {each.name for each in SITE.services if each.critical}
    assert {each.name for each in deep.setpoints.services} <= critical
    assert job_names(back) == ALL_JOBS


def test_a_bank_without_limits_or_without_a_reading_is_left_alone() -> None:
    for site, volts in ((SITE, 100.0), (GUARDED, None)):
        (result,) = play([snapshot(voltage_v=volts)], site=site)
        assert result.reasons == ()


@pytest.mark.parametrize(
    ("cell_c", "share", "jobs"),
    [
        (45.0, None, ALL_JOBS),
        (50.0, None, ALL_JOBS),
        (52.0, 0.8, ALL_JOBS),
        (55.0, 0.5, []),
        (60.0, 0.0, []),
        (None, None, ALL_JOBS),
    ],
)
def test_hot_cells_are_spared(cell_c: float | None, share: float | None, jobs: list[str]) -> None:
    battery = SITE.battery
    assert battery is not None
    (result,) = play([snapshot(cell_c=cell_c)])
    limit_kw = result.setpoints.battery_limit_kw
    if share is None:
        assert limit_kw is None
    else:
        assert limit_kw == pytest.approx((share * battery.charge_kw, share * battery.discharge_kw))
        assert result.setpoints.pv_limit_kw == pytest.approx(60.0 + share * battery.charge_kw)
        assert "BATTERY_HOT" in codes(result)
    assert job_names(result) == jobs
    assert any_runs(result) is (jobs == [])
