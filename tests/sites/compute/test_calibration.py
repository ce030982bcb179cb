"""Fits give known curves back and say their error; bad tables are refused line by line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sites.catalog.load import load_catalog
from sites.compute.calibrate import Row, fit_decode, fit_sweep, overlay_files, read_rows
from sites.compute.calibration import POWER_LAW_KNEE, fit_cap_curve, fit_itl, fit_power
from sites.errors import InputError
from sites.plant.gpu import CapCurve, speed_at_frac

NOTHING = float("nan")


@settings(max_examples=15, deadline=None)
@given(st.floats(0.5, 0.75), st.floats(0.7, 1.6))
def test_a_knee_is_given_back(knee: float, exponent: float) -> None:
    truth = CapCurve(knee_frac=knee, exponent=exponent)
    points = [0.35 + 0.06 * i for i in range(11)]
    fit = fit_cap_curve(points, [speed_at_frac(u, truth) for u in points])
    assert fit.rmse < 0.005
    for share in (0.45, 0.6, 0.8):
        assert speed_at_frac(share, fit.curve) == pytest.approx(speed_at_frac(share, truth), abs=0.01)


def test_two_points_give_a_power_law() -> None:
    fit = fit_cap_curve([0.5, 0.8], [0.5**0.6, 0.8**0.6])
    assert fit.curve.knee_frac == POWER_LAW_KNEE
    assert fit.curve.exponent == pytest.approx(0.6, abs=1e-3)
    with pytest.raises(ValueError, match="at least one"):
        fit_cap_curve([], [])


def test_token_time_and_draw_are_given_back() -> None:
    batches = [1.0, 4.0, 16.0, 64.0, 256.0]
    assert fit_itl(batches, [6.0 + 0.08 * b for b in batches]).slope == pytest.approx(0.08)
    power = fit_power([8.0, 16, 32, 64, 128, 256], [460.0, 480, 530, 600, 640, 655])
    assert power.rmse_w < 8.0
    assert power.power_w(32.0) == pytest.approx(530.0, abs=12.0)


def sweep(limits: list[float], natural_w: float = 340.0) -> list[Row]:
    truth = CapCurve(knee_frac=0.6, exponent=1.2)
    return [
        Row(limit, 900.0 * speed_at_frac(limit / natural_w, truth), min(limit, natural_w), *[NOTHING] * 4)
        for limit in limits
    ]


def test_a_sweep_finds_natural_draw_and_curve() -> None:
    found = fit_sweep(sweep([150, 200, 250, 300, 350]), "l40s", "decode")
    assert found.natural_w == 340.0
    assert found.fit.rmse < 0.01
    assert found.outside == ()
    assert fit_sweep(sweep([80, 200, 250, 350]), "l40s", "decode").outside == (80,)


def test_a_sweep_that_never_binds_says_what_to_measure() -> None:
    with pytest.raises(InputError, match="below the natural draw"):
        fit_sweep(sweep([250, 300, 350], natural_w=200.0), "l40s", "decode")
    with pytest.raises(InputError, match="at least three limits"):
        fit_sweep(sweep([250, 300]), "l40s", "decode")


def test_what_was_measured_is_what_the_catalogue_then_says(tmp_path: Path) -> None:
    rows = [
        Row(NOTHING, NOTHING, 300.0 - 80.0 / b, b, 11.0 + 0.2 * b, NOTHING, NOTHING) for b in (1.0, 4.0, 16.0, 64.0)
    ]
    rows += [
        Row(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, tokens, 5.0 + 0.05 * tokens) for tokens in (200.0, 2000.0)
    ]
    fit = fit_decode(rows, "l40s", "llama-8b", "fp8", 1, 400.0)
    assert fit.prefill_frac == pytest.approx(2 * 8.03e9 / 733e12 / 50e-6, rel=0.01)
    assert fit.itl_rmse_ms < 0.1
    curve = fit_sweep(sweep([150, 200, 250, 300, 350]), "l40s", "decode").entry
    for name, text in overlay_files("l40s", "decode", curve, "llama-8b", fit, date(2026, 3, 1)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        yaml.safe_load(text)
    known = load_catalog(tmp_path)
    assert known.decode_fits["llama-8b"][0].gpu == "l40s"
    assert known.gpu_curves["l40s"]["decode"].exponent == curve.exponent
    assert len(known.decode_fits["llama-8b"]) > 1
    assert "1 March" not in known.sources["own-measurement"].title


def test_all_faults_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("limit_w,throughput,power_w\n200,x,150\n-5,3,3\n300,4,250\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert len(caught.value.faults) == 2
    assert "line 2, throughput" in str(caught.value)
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="limit_w"):
        read_rows(path)
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "none.csv")
