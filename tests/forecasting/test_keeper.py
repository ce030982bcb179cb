"""The keeper grows a learner once a day and not before there is enough to learn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from forecasting.history import NOTHING, History
from forecasting.keeper import LearnerKeeper
from forecasting.prepare import prepare_period
from sites.schema.site import Site

START = datetime(2025, 5, 1, tzinfo=UTC)


def test_once_a_day(container: Site) -> None:
    period = prepare_period(container, start_utc=START, end_utc=START + timedelta(days=10), step_s=900)
    history = History(pv_kw=period.pv_available_kw)
    keeper = LearnerKeeper(container)
    morning = START + timedelta(days=8, hours=14)
    assert keeper.at(NOTHING, morning) is None
    young = replace(period.pv_available_kw, start_utc=morning - timedelta(days=3))
    assert keeper.at(History(pv_kw=young), morning) is None
    first = keeper.at(history, morning)
    assert first is not None
    assert first.days >= 7
    assert keeper.at(history, morning + timedelta(hours=6)) is first
    # local midnight in Greensboro is at about 05:20 UTC
    assert keeper.at(history, START + timedelta(days=9, hours=5)) is first
    assert keeper.at(history, START + timedelta(days=9, hours=6)) is not first
