"""The worker's forecasts: predictions from a folder take part, failing sources are only told, nights are scored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from controller.cli import forecast as command
from controller.daemon.foreseeing import Forecaster, night_scores
from controller.daemon.messages import Planned
from controller.daemon.past import stored_history
from controller.daemon.reporting import Alarms, told_by_planning
from controller.records.entries import AlarmCleared, AlarmRaised, PlanEntry, ScoresEntry
from controller.records.reading import Reader
from controller.records.store import open_engine
from controller.records.writing import write_entry
from forecasting.forecaster import forecast
from forecasting.history import History
from forecasting.prepare import prepare_period
from forecasting.records import FeedState, NightScores
from optimizer.problem import Problem
from optimizer.rules.roll import rules_plan
from sites.errors import InputError
from sites.load import load_site
from sites.ports import ManualClock
from sites.schema.place import Prediction
from sites.schema.site import Site
from sites.times import planning_grid
from sites.world import World
from tests.controller.records.samples import fresh_url

START = datetime(2025, 5, 1, 5, tzinfo=UTC)
NOW = START + timedelta(days=16, hours=12)
HERE = Prediction(name="drop", kind="folder", folder="nwp")
NOBODY = Prediction(name="nobody", kind="open-meteo", address="http://127.0.0.1:9/", deadline_s=1.0)


def container(*sources: Prediction) -> Site:
    site = load_site("container")
    return site.model_copy(update={"weather": site.weather.model_copy(update={"predictions": sources})})


@pytest.fixture(scope="module")
def world() -> World:
    site = load_site("container")
    period = prepare_period(site, start_utc=START, end_utc=NOW + timedelta(days=3), step_s=900)
    return World(pv_available_kw=period.pv_available_kw, outdoor_c=period.outdoor_c, rate_rps={})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs that somebody else's weather model could have given: yesterday's sun, every twelve hours."""
    site, place = load_site("container"), tmp_path_factory.mktemp("site")
    (place / "nwp").mkdir()
    period = prepare_period(site, start_utc=START - timedelta(days=1), end_utc=NOW + timedelta(days=3), step_s=3600)
    ghi = period.ghi_w_m2
    for half_day in range(33):
        issued = START + timedelta(hours=12 * half_day)
        rows = [
            f"{(issued + timedelta(hours=i)).isoformat()},{ghi.at(issued + timedelta(hours=i - 24)):.1f}"
            for i in range(60)
        ]
        head = f"# source: model\n# issued: {issued.isoformat()}\n# label: start\ntime_utc,ghi_w_m2\n"
        (place / "nwp" / f"{half_day:02}.csv").write_text(head + "\n".join(rows))
    return place


def test_a_folder_takes_part_and_a_dead_service_is_told(tmp_path: Path, world: World, folder: Path) -> None:
    site = container(HERE, NOBODY)
    forecaster = Forecaster(site, folder=folder, clock=ManualClock(NOW))
    with Reader(fresh_url(tmp_path), "container") as reader:
        made = forecaster.at(reader, NOW, world)
        news = forecaster.news()
        assert made.rung == "blend"
        assert made.nwp_age_h == pytest.approx(12.0)
        assert "drop" in made.source
        assert len(news.predictions) == 33
        assert [(state.source, bool(state.fault)) for state in news.feeds] == [("drop", False), ("nobody", True)]
        assert news.night is None
        # the folder falls silent: the forecast goes on, first on old runs, then without
        for file in (folder / "nwp").glob("*.csv"):
            file.rename(file.with_suffix(".gone"))
        later = forecaster.at(reader, NOW + timedelta(days=1), world)
        assert later.rung == "stale_nwp"
        assert forecaster.news().predictions == ()


def test_forecasts_in_the_store_are_scored_once_a_night(tmp_path: Path, world: World) -> None:
    site, url = load_site("container"), fresh_url(tmp_path)
    history = History(pv_kw=world.pv_available_kw)
    engine = open_engine(url, durable=True)
    with Session(engine) as session:
        for number in range(6):
            at = START + timedelta(days=10, hours=12 * number)
            made = forecast(site, history, issued_utc=at, grid=planning_grid(at), demand=False)
            problem = Problem(site=site.name, start_utc=at, hours=(1.0,), pv_available_kw=(1.0,))
            plan = rules_plan(problem)
            entry = PlanEntry(
                id=f"{number:032}",
                made_utc=at,
                expires_utc=at,
                review="auto",
                forecast=made,
                problem=problem,
                plan=plan,
            )
            write_entry(session, site.name, entry)
        session.commit()
    forecaster = Forecaster(site, folder=None, clock=ManualClock(NOW))
    with Reader(url, site.name) as reader:
        forecaster.at(reader, NOW, world)
        night = forecaster.news().night
        assert isinstance(night, NightScores)
        assert night.night_utc <= NOW
        assert night.scores[0].samples > 100
        assert {score.state for score in night.scores} == {"all", "none"}
        forecaster.at(reader, NOW + timedelta(hours=1), world)
        assert forecaster.news().night is None
        nothing = night_scores(site, reader, stored_history(reader, NOW), NOW)
        assert nothing is None
    with Session(engine) as session:
        write_entry(session, site.name, ScoresEntry(night=night))
        session.commit()
    engine.dispose()
    restarted = Forecaster(site, folder=None, clock=ManualClock(NOW))
    with Reader(url, site.name) as reader:
        restarted.at(reader, NOW, world)
        assert restarted.news().night is None
    told = CliRunner().invoke(command.app, ["verify", "container", "--store", url, "--format", "json"])
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["scores"][0]["samples"] == night.scores[0].samples
    assert len(document["nights"]) == 1
    table = CliRunner().invoke(command.app, ["verify", "container", "--store", url])
    assert table.exit_code == 0, table.output
    assert "skill/CH-PeEn" in table.stdout
    empty = CliRunner().invoke(command.app, ["verify", "container", "--store", fresh_url(tmp_path / "other")])
    assert isinstance(empty.exception, InputError)


def test_a_lost_source_is_an_alarm_only_when_its_newest_run_is_old() -> None:
    alarms = Alarms()
    problem = Problem(site="container", start_utc=NOW, hours=(1.0,), pv_available_kw=(1.0,))
    outlook = forecast(load_site("container"), issued_utc=NOW, grid=planning_grid(NOW), demand=False)
    planned = Planned(id=1, forecast=outlook, problem=problem, plan=rules_plan(problem))

    def told(issued: datetime | None, fault: str) -> tuple[object, ...]:
        state = FeedState(source="drop", asked_utc=NOW, issued_utc=issued, fault=fault, text="why")
        return told_by_planning(planned.model_copy(update={"feeds": (state,)}), alarms, NOW)

    assert told(NOW - timedelta(hours=3), "slow") == ()
    assert [type(each) for each in told(NOW - timedelta(hours=13), "slow")] == [AlarmRaised]
    assert told(None, "refused") == ()
    assert [type(each) for each in told(NOW, "")] == [AlarmCleared]
