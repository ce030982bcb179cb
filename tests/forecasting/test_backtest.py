"""A user's file in, scores and a picture out; what the file says about itself is checked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.backtest import HistoryFile, backtest, read_history
from forecasting.forecaster import LEVELS, clear_power
from forecasting.history import History
from forecasting.learn.forest import ForestSettings
from forecasting.picture import draw_backtest
from forecasting.prepare import PreparedPeriod, prepare_period
from forecasting.scoring import forecast_samples, nwp_state, scores
from sites.errors import InputError
from sites.schema.site import Site

START = datetime(2025, 3, 1, tzinfo=UTC)
SMALL = ForestSettings(trees=6, leaf_samples=20, edges=20)


@pytest.fixture(scope="module")
def actual(container: Site) -> PreparedPeriod:
    return prepare_period(container, start_utc=START, end_utc=START + timedelta(days=36), step_s=3600)


def written(path: Path, actual: PreparedPeriod, **changes: object) -> Path:
    count = len(actual.pv_available_kw.values)
    table = pd.DataFrame(
        {
            "time_utc": [(START + timedelta(hours=i)).isoformat() for i in range(count)],
            "pv_kw": actual.pv_available_kw.values,
            "held": [0] * count,
        }
    )
    for column, values in changes.items():
        table[column] = values
    table.to_csv(path, index=False)
    return path


def described(path: Path, **changes: str) -> HistoryFile:
    said = {"time_column": "time_utc", "power_column": "pv_kw", "unit": "kW", "zone": "UTC", "label": "start"}
    return HistoryFile(path=path, **(said | changes))  # type: ignore[arg-type]


def test_reads_what_is_stated(container: Site, actual: PreparedPeriod, tmp_path: Path) -> None:
    path = written(tmp_path / "h.csv", actual)
    history = read_history(described(path), container)
    assert history.pv_kw is not None
    assert history.pv_kw.start_utc == START
    np.testing.assert_allclose(history.pv_kw.values, actual.pv_available_kw.values, atol=1e-6)
    ended = written(
        tmp_path / "e.csv",
        actual,
        time_utc=[(START + timedelta(hours=i + 1)).isoformat() for i in range(len(actual.pv_available_kw.values))],
    )
    assert read_history(described(ended, label="end"), container) == history
    watts = written(tmp_path / "w.csv", actual, pv_kw=np.array(actual.pv_available_kw.values) * 1000)
    again = read_history(described(watts, unit="W", curtailed_column="held"), container)
    assert again.pv_kw is not None
    np.testing.assert_allclose(again.pv_kw.values, history.pv_kw.values)
    assert len(again.pv_curtailed) == len(again.pv_kw.values)


def test_local_times_and_gaps(container: Site, actual: PreparedPeriod, tmp_path: Path) -> None:
    path = written(tmp_path / "h.csv", actual)
    table = pd.read_csv(path)
    local = pd.to_datetime(table["time_utc"]).dt.tz_convert("Etc/GMT+5").dt.tz_localize(None)
    table["time_utc"] = local.dt.strftime("%Y-%m-%dT%H:%M:%S")
    table.drop(index=[100, 101, 300]).to_csv(path, index=False)
    history = read_history(described(path, zone="Etc/GMT+5"), container)
    assert history.pv_kw is not None
    assert history.pv_kw.start_utc == START
    assert np.flatnonzero(np.isnan(history.pv_kw.values)).tolist() == [100, 101, 300]


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"power_column": "power"}, "name one of"),
        ({"unit": "MW"}, "state the right unit"),
        ({"unit": "W"}, "state the right unit"),
        ({"label": "end"}, "state the right zone and label"),
        ({"zone": "UTC", "time_column": "held"}, "write ISO times"),
    ],
)
def test_what_cannot_be_right_is_refused(
    container: Site, actual: PreparedPeriod, tmp_path: Path, changes: dict[str, str], mend: str
) -> None:
    path = written(tmp_path / "h.csv", actual)
    with pytest.raises(InputError, match=mend):
        read_history(described(path, **changes), container)


def test_wrong_zone_and_doubled_times(container: Site, actual: PreparedPeriod, tmp_path: Path) -> None:
    path = written(tmp_path / "h.csv", actual)
    table = pd.read_csv(path)
    table["time_utc"] = table["time_utc"].str.replace("+00:00", "")
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"against the sun|exist once"):
        read_history(described(path, zone="Etc/GMT-2"), container)
    table.loc[50, "time_utc"] = table.loc[49, "time_utc"]
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match="row 52"):
        read_history(described(path), container)
    with pytest.raises(InputError, match="IANA"):
        read_history(described(path, zone="Mars/Base"), container)
    with pytest.raises(InputError, match="no such file"):
        read_history(described(tmp_path / "none.csv"), container)


def test_walks_scores_and_draws(container: Site, actual: PreparedPeriod, tmp_path: Path) -> None:
    found = backtest(
        container, History(pv_kw=actual.pv_available_kw), issue_every_h=12.0, first_days=30, settings=SMALL
    )
    overall = found.scores[0]
    assert (overall.leads, overall.season, overall.state) == ("all", "all", "all")
    assert overall.samples == len(found.samples)
    assert overall.skill_persistence > 0.0
    assert {score.state for score in found.scores} == {"all", "none"}
    assert len(overall.reliability) == len(LEVELS)
    assert found.forecasts[0].issued_utc >= START + timedelta(days=30)
    for suffix in (".svg", ".png"):
        path = tmp_path / f"picture{suffix}"
        draw_backtest(found.samples, LEVELS, found.scores, path)
        assert path.stat().st_size > 5000
    with pytest.raises(InputError, match="end the name"):
        draw_backtest(found.samples, LEVELS, found.scores, tmp_path / "picture.doc")


def test_too_short_a_history_is_refused(container: Site, actual: PreparedPeriod) -> None:
    with pytest.raises(InputError, match="give more than"):
        backtest(container, History(pv_kw=actual.pv_available_kw), first_days=60)


def test_scores_by_hand(container: Site, actual: PreparedPeriod) -> None:
    """A forecast that says what came has no error; one that is 10 kW high has a bias of 10 kW."""
    found = backtest(
        container, History(pv_kw=actual.pv_available_kw), issue_every_h=24.0, first_days=33, settings=SMALL
    )
    made = found.forecasts[0]
    hours = [
        actual.pv_available_kw.mean(made.start_utc + timedelta(hours=i), made.start_utc + timedelta(hours=i + 1))
        for i in range(len(made.hours))
    ]
    clear = clear_power(container)
    assert clear is not None
    for shift in (0.0, 10.0):
        right = made.model_copy(
            update={
                "pv_available_kw": tuple(value + shift for value in hours),
                "pv_quantiles_kw": tuple(tuple(value + shift for value in hours) for _ in LEVELS),
                "nwp_age_h": 40.0,
            }
        )
        assert nwp_state(right) == "stale"
        samples = forecast_samples([right], History(pv_kw=actual.pv_available_kw), clear)
        overall = scores(samples, LEVELS)[0]
        assert overall.bias_kw == pytest.approx(shift, abs=1e-6)
        assert overall.mae_kw == pytest.approx(shift, abs=1e-6)
        # pinball of a forecast that is too high by s is (1 - a) s, its mean over symmetric levels s / 2
        assert overall.pinball_kw == pytest.approx(shift / 2, abs=1e-6)
        held = (True,) * len(actual.pv_available_kw.values)
        assert forecast_samples([right], History(pv_kw=actual.pv_available_kw, pv_curtailed=held), clear).empty
