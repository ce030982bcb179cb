"""Commitments made from a relaxation's shares: they run as long as the shares add up to, and keep run and rest times."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.build import Model, build
from optimizer.model.layout import layout_of
from optimizer.solve.commit import rounded, summed_up
from tests.optimizer.small_site import small_site

STEPS, STEP_H, RUN_H, REST_H = 48, 0.5, 1.5, 1.0


def _model() -> Model:
    problem = small_site(steps=STEPS, hours=STEP_H)
    genset = problem.gensets[0].model_copy(update={"min_run_h": RUN_H, "min_down_h": REST_H, "on": False})
    return build(layout_of(problem.model_copy(update={"gensets": (genset,)})))


MODEL = _model()


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=STEPS, max_size=STEPS), st.sampled_from((1.0, 2.0, 4.0)))
def test_run_and_rest_times_are_kept(shares: list[float], block_h: float) -> None:
    for on in (summed_up(MODEL, np.array([shares]), block_h), rounded(MODEL, np.array([shares]), 0.5)):
        spans = [(state, STEP_H * len(list(same))) for state, same in groupby(on[0])]
        assert all(hours >= RUN_H - 1e-9 for state, hours in spans[:-1] if state > 0.5)
        assert all(hours >= REST_H - 1e-9 for state, hours in spans[1:-1] if state < 0.5)


def test_a_third_all_night_is_a_third_of_the_night() -> None:
    night = np.array([[1.0 / 3.0] * 36 + [0.0] * 12])
    on = summed_up(MODEL, night, 2.0)
    assert abs(STEP_H * on.sum() - STEP_H * night.sum()) <= 1.0
    assert not on[0, 36:].any()
    assert rounded(MODEL, night, 0.5).sum() == 0.0
