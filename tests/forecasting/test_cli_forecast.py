"""``mdc forecast``: a site's forecast, a backtest of a user's file, scores of what a store holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import forecast as command
from forecasting.prepare import prepare_period
from forecasting.records import Forecast
from sites.errors import InputError
from sites.schema.site import Site

START = datetime(2025, 3, 1, tzinfo=UTC)
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def file(container: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    period = prepare_period(container, start_utc=START, end_utc=START + timedelta(days=33), step_s=3600)
    path = tmp_path_factory.mktemp("history") / "plant.csv"
    rows = [
        f"{(START + timedelta(hours=i)).isoformat()},{value:.3f}"
        for i, value in enumerate(period.pv_available_kw.values)
    ]
    path.write_text("\n".join(["time_utc,pv_kw", *rows]))
    return path


def test_a_site_is_enough() -> None:
    answer = RUNNER.invoke(command.app, ["jetson-box", "--at", "2025-06-10T08:00", "--hours", "4", "--format", "json"])
    assert answer.exit_code == 0, answer.output
    made = Forecast.model_validate_json(answer.stdout)
    assert made.rung == "history"
    assert made.issued_utc.astimezone(UTC).minute == 0
    assert sum(made.hours) == pytest.approx(4.0)


def test_a_table_for_people(file: Path) -> None:
    words = ["container", "--at", "2025-04-02T12:00", "--hours", "2", "--history", str(file)]
    answer = RUNNER.invoke(command.app, words)
    assert answer.exit_code == 0, answer.output
    assert "PV kW" in answer.stdout
    assert "Wed 12:00" in answer.stdout


def test_backtest_prints_scores(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "scores.png"
    words = ["backtest", str(file), "--first-days", "30", "--every-hours", "24", "--picture", str(picture)]
    answer = RUNNER.invoke(command.app, [*words, "--format", "json"])
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document["scores"][0]["samples"] > 20
    assert len(document["quantile_levels"]) == 7
    assert picture.is_file()


def test_wrong_unit_is_said() -> None:
    answer = RUNNER.invoke(command.app, ["backtest", "nowhere.csv"])
    assert isinstance(answer.exception, InputError)
    assert "no such file" in str(answer.exception)


def test_local_time_that_happens_twice() -> None:
    answer = RUNNER.invoke(command.app, ["container", "--at", "2025-11-02T01:30"])
    assert isinstance(answer.exception, InputError)
    assert "give the offset" in str(answer.exception)
