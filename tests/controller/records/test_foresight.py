"""Predictions received, nightly scores and means of request rates, as the store gives them back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from controller.records.entries import PredictionEntry, ScoresEntry, TelemetryEntry
from controller.records.housekeeping import prune
from controller.records.reading import Reader
from controller.records.store import open_engine
from controller.records.views import ServicePoint, TelemetryPoint
from controller.records.writing import write_entry
from forecasting.records import NightScores, Score, StoredPrediction
from tests.controller.records.samples import SITE, START, fresh_url


def prediction(hours: float, value: float | None = 1.0) -> StoredPrediction:
    issued = START + timedelta(hours=hours)
    return StoredPrediction(
        source="a", issued_utc=issued, start_utc=issued, step_s=3600.0, values={"ghi_w_m2": (value, None, 300.0)}
    )


def score(leads: str = "all", state: str = "all", crps_skill: float | None = 0.2) -> Score:
    return Score(
        leads=leads,
        season="all",
        state=state,
        samples=10,
        nrmse=0.3,
        mae_kw=2.0,
        bias_kw=-0.5,
        skill_persistence=0.1,
        skill_cliper=None,
        pinball_kw=0.4,
        crps_kw=0.8,
        crps_skill=crps_skill,
        coverage_80=0.79,
        reliability=(0.1, 0.5, 0.9),
    )


def night(days_on: int) -> NightScores:
    scores = (score(), score("2-4 h"), score("14-26 h", crps_skill=None), score(state="none"))
    return NightScores(night_utc=START + timedelta(days=days_on), days=28.0, levels=(0.1, 0.5, 0.9), scores=scores)


def write(url: str, *entries: PredictionEntry | ScoresEntry | TelemetryEntry) -> None:
    engine = open_engine(url, durable=True)
    with Session(engine) as session:
        for entry in entries:
            write_entry(session, SITE.name, entry)
        session.commit()
    engine.dispose()


def test_predictions_come_back_once_and_go_when_old(tmp_path: Path) -> None:
    url = fresh_url(tmp_path)
    runs = [prediction(0), prediction(3, None)]
    write(url, *(PredictionEntry(prediction=run) for run in (*runs, prediction(0, 5.0))))
    with Reader(url, SITE.name) as reader:
        assert list(reader.predictions(START, START + timedelta(hours=3))) == runs
        assert reader.predictions(START, START + timedelta(hours=1)) == (runs[0],)
    engine = open_engine(url, durable=True)
    with Session(engine) as session:
        assert prune(session, SITE.name, START + timedelta(hours=1))["weather_predictions"] == 1
    engine.dispose()
    with Reader(url, "elsewhere") as reader:
        assert reader.predictions(START, START + timedelta(hours=3)) == ()


def test_scores_come_back_by_night_newest_first(tmp_path: Path) -> None:
    url = fresh_url(tmp_path)
    write(url, *(ScoresEntry(night=night(day)) for day in (1, 2, 2, 3)))
    with Reader(url, SITE.name) as reader:
        assert reader.night_scores() == (night(3),)
        assert reader.night_scores(until_utc=START + timedelta(days=2, hours=1)) == (night(2),)
        assert reader.night_scores(nights=5) == (night(3), night(2), night(1))


def test_request_rates_are_averaged_by_the_store(tmp_path: Path) -> None:
    url = fresh_url(tmp_path)
    for minute in range(40):
        at = START + timedelta(minutes=minute)
        point = ServicePoint(at_utc=at, service="voice", rate_rps=float(minute), served_rps=1.0, mode="m")
        silent = ServicePoint(at_utc=at, service="idle", rate_rps=None, served_rps=None, mode="m")
        write(url, TelemetryEntry(point=TelemetryPoint(at_utc=at), services=(point, silent)))
    with Reader(url, SITE.name) as reader:
        means = reader.service_means(START, START + timedelta(minutes=30), step_s=900)
    assert set(means) == {"voice"}
    assert [at for at, _ in means["voice"]] == [START, START + timedelta(minutes=15)]
    assert [rate for _, rate in means["voice"]] == pytest.approx([7.0, 22.0])
