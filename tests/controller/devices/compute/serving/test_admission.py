"""Admission and measuring: tables of moments, and what must hold for any course of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.devices.compute.serving.admission import admitted, changed, opened
from controller.devices.compute.serving.gateway import usage
from controller.devices.compute.serving.meter import Meter, Passed, calibration_rows, quantile


@pytest.mark.parametrize(
    ("rate_rps", "burst", "at_s", "waits_s"),
    [
        (2.0, 2.0, [0, 0, 0, 0.5], [0, 0, 0.5, 0]),
        (1.0, 1.0, [0, 0.25, 1.0, 1.0], [0, 0.75, 0, 1.0]),
        (0.0, 1.0, [0, 0, 9], [0, 60.0, 60.0]),
        (10.0, 1.0, [5, 4, 5.05, 5.1], [0, 0.1, 0.05, 0]),
    ],
    ids=["burst", "after-a-while", "closed", "clock-goes-back"],
)
def test_admission(rate_rps: float, burst: float, at_s: list[float], waits_s: list[float]) -> None:
    bucket = opened(rate_rps, burst, at_s[0])
    found = []
    for moment_s in at_s:
        bucket, wait_s = admitted(bucket, moment_s)
        found.append(wait_s)
    assert found == pytest.approx(waits_s)


@given(
    st.floats(0.1, 50.0),
    st.floats(1.0, 20.0),
    st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60),
)
def test_never_more_than_the_rate_and_the_burst(rate_rps: float, burst: float, gaps_s: list[float]) -> None:
    bucket, now_s, let_in = opened(rate_rps, burst, 0.0), 0.0, 0
    for gap_s in gaps_s:
        now_s += gap_s
        bucket, wait_s = admitted(bucket, now_s)
        let_in += wait_s == 0.0
        if wait_s > 0.0:
            later, none_s = admitted(bucket, now_s + wait_s + 1e-9)
            assert none_s <= 1e-6, "who waits as told is let in"
            assert later.tokens < 1.0
    assert let_in <= burst + rate_rps * now_s + 1e-6


def test_a_lower_rate_takes_effect_at_once() -> None:
    bucket = changed(opened(100.0, 50.0, 0.0), 1.0, 2.0, 0.0)
    waits = []
    for _ in range(3):
        bucket, wait_s = admitted(bucket, 0.0)
        waits.append(wait_s)
    assert waits == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        (b'data: {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}\n\ndata: [DONE]\n\n', (5, 7)),
        (b'{"choices": [], "usage": {"prompt_tokens": 2}}', (2, 3)),
        (b'data: {"usage": null}\n', (0, 3)),
        (b'data: {"usage": 4}\n', (0, 3)),
        (b"data: {\xff usage broken", (0, 3)),
        (b"", (0, 3)),
    ],
)
def test_usage_of_any_answer(tail: bytes, found: tuple[int, int]) -> None:
    assert usage(tail, 3) == found


def passed(batch: int, itl_s: float = 0.02, ttft_s: float = 0.1, at_s: float = 10.0) -> Passed:
    return Passed(at_s, batch, 100, 11, ttft_s, itl_s, ttft_s + 10 * itl_s)


def test_nothing_measured_is_none_and_not_zero() -> None:
    state = Meter().state(0)
    assert (state.ttft_p99_s, state.itl_mean_s, state.tokens_per_s) == (None, None, None)
    assert quantile([], 0.99) is None


def test_rows_for_calibration_are_handed_over_once() -> None:
    meter = Meter()
    for batch in (1, 1, 4):
        meter.passed(passed(batch))
    rows = meter.rows()
    assert meter.rows() == ()
    assert meter.state(1).served == 3
    assert calibration_rows(rows, 250.0) == [
        "1,20.0000,250.00,,",
        "4,20.0000,250.00,,",
        ",,,100,100.0000",
        ",,,100,100.0000",
    ]
    assert calibration_rows(rows, None) == [",,,100,100.0000"] * 2, "without a measured draw there is no decoding row"
