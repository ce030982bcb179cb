"""Figures and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.reports.charts.words import (
    amount_text,
    day_clock,
    duration,
    figure,
    fit,
    money,
    percent,
    power_text,
    rate_text,
    whole_words,
    width_px,
)

GAP = "\u202f"


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (12.34, "kW", f"12.3{GAP}kW"),
        (60.0, "kW", f"60{GAP}kW"),
        (123.4, "kWh", f"123{GAP}kWh"),
        (12345.0, "L", f"12{GAP}345{GAP}L"),
        (-4.2, "°C", f"−4.2{GAP}°C"),
        (-0.01, "kW", f"0{GAP}kW"),
        (99.96, "kW", f"100{GAP}kW"),
        (None, "kW", "–"),
    ],
)
def test_figures(value: float | None, unit: str, words: str) -> None:
    assert figure(value, unit) == words


def test_a_missing_reading_is_never_a_zero() -> None:
    assert {figure(None), percent(None), money(None), duration(None)} == {"–"}


@pytest.mark.parametrize(
    ("usd", "words"), [(3.2, "$3.20"), (-12.0, "−$12.00"), (1240.4, f"$1{GAP}240"), (0.001, "$0.00"), (-0.001, "$0.00")]
)
def test_money(usd: float, words: str) -> None:
    assert money(usd) == words


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0.75, f"45{GAP}min"), (3.0, f"3{GAP}h"), (3.34, f"3{GAP}h 20{GAP}min"), (60.0, "2.5 days"), (480.0, "20 days")],
)
def test_durations(hours: float, words: str) -> None:
    assert duration(hours) == words


@pytest.mark.parametrize(
    ("per_second", "words"),
    [
        (57.23, f"57.2{GAP}requests/s"),
        (0.05, f"3{GAP}requests/min"),
        (0.0005, f"1.8{GAP}requests/h"),
        (0.0, f"0{GAP}requests/s"),
        (None, "–"),
    ],
)
def test_rates(per_second: float | None, words: str) -> None:
    assert rate_text(per_second) == words


@pytest.mark.parametrize(
    ("kw", "words"),
    [(0.0452, f"45{GAP}W"), (0.0042, f"4.2{GAP}W"), (1.0, f"1{GAP}kW"), (0.0, f"0{GAP}kW"), (None, "–")],
)
def test_small_sites_speak_of_watts(kw: float | None, words: str) -> None:
    assert power_text(kw) == words


@pytest.mark.parametrize(
    ("amount", "unit", "words"), [(1.0, "jobs", "1 job"), (3.0, "jobs", "3 jobs"), (1.5, "h late", "1.5 h late")]
)
def test_amounts(amount: float, unit: str, words: str) -> None:
    assert amount_text(amount, unit) == words


def test_times_are_those_of_the_site() -> None:
    moment = datetime(2025, 1, 16, 4, 30, tzinfo=UTC)
    assert day_clock(moment, ZoneInfo("America/New_York")) == "Wed 15 Jan 23:30"
    assert day_clock(moment, ZoneInfo("Asia/Tokyo")) == "Thu 16 Jan 13:30"


@given(words=st.text(max_size=60), room=st.floats(0, 300))
def test_a_fitted_text_fits(words: str, room: float) -> None:
    assert width_px(fit(words, room, 12), 12) <= max(room, 0.0) + 1e-9


def test_what_fits_is_left_alone() -> None:
    assert fit("diesel-1", 200, 12) == "diesel-1"
    assert fit("embedding-backfill-0115-2", 80, 12).endswith("…")


def test_a_note_is_cut_between_words() -> None:
    assert whole_words("32 x 350 W l40s", 500, 12) == "32 x 350 W l40s"
    assert whole_words("32 x 350 W l40s", width_px("32 x 350 W", 12), 12) == "32 x 350 W"
    assert whole_words("32 x 350 W l40s", 2, 12) == ""
