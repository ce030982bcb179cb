"""The ledger, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.studies.ledger import job_outcome
from optimizer.problem import JobProblem, PoolSpeed

START = datetime(2025, 1, 1, tzinfo=UTC)


def job(*, hard: bool = False) -> JobProblem:
    return JobProblem(
        name="j",
        profile="training",
        pools=(PoolSpeed(pool="p", speed=1.0),),
        work_gpu_h=10.0,
        gpus_max=4.0,
        release_utc=START,
        deadline_utc=START + timedelta(hours=10),
        value_usd=100.0,
        late_usd_per_h=8.0,
        hard=hard,
    )


@pytest.mark.parametrize(
    ("hard", "done_frac", "finished_h", "value", "unfinished", "lateness"),
    [
        (False, 1.0, 9.0, 100.0, 0.0, 0.0),
        (False, 1.0, 12.0, 100.0, 0.0, 16.0),
        (False, 1.0, 40.0, 100.0, 0.0, 100.0),
        (False, 0.4, None, 40.0, 60.0, 100.0),
        (True, 1.0, 10.0, 100.0, 0.0, 0.0),
        (True, 1.0, 10.1, 0.0, 100.0, 0.0),
        (True, 0.99, None, 0.0, 100.0, 0.0),
    ],
)
def test_what_a_job_is_worth(
    hard: bool, done_frac: float, finished_h: float | None, value: float, unfinished: float, lateness: float
) -> None:
    finished = None if finished_h is None else START + timedelta(hours=finished_h)
    outcome = job_outcome(job(hard=hard), done_frac, finished, START + timedelta(hours=48))
    assert outcome.value_usd == pytest.approx(value)
    assert outcome.unfinished_usd == pytest.approx(unfinished)
    assert outcome.lateness_usd == pytest.approx(lateness)
    assert outcome.value_usd + outcome.unfinished_usd == pytest.approx(100.0)


def test_work_that_is_not_due_yet_is_paid_for_the_share_done() -> None:
    outcome = job_outcome(job(), 0.5, None, START + timedelta(hours=5))
    assert (outcome.value_usd, outcome.unfinished_usd, outcome.lateness_usd) == (50.0, 50.0, 0.0)
