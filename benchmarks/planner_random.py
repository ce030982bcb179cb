"""Random problems in bulk: every answer has to pass the plant check, none may crash, level and gap have to be true.

    python -m benchmarks.planner_random [--quick] [--count N] [--seed S]

The problems are those of the test suite (``tests/strategies.py``), drawn with another seed.
"""

from __future__ import annotations

import argparse
import collections
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from optimizer.check import check
from optimizer.ladder import answer
from optimizer.plan import Level
from optimizer.problem import Problem
from tests.strategies import problems


def main() -> None:
    """Print how many answers stood on which rung, and every fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="100 problems")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument(
        "--seed", type=int, default=2026, help="another seed draws other problems: a long run in pieces"
    )
    options = parser.parse_args()
    seen: collections.Counter[str] = collections.Counter()
    start = time.perf_counter()

    @seed(options.seed)
    @settings(
        max_examples=100 if options.quick else options.count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(problems())
    def one(problem: Problem) -> None:
        made = answer(problem)
        faults = check(problem, made)
        seen[made.level.value] += 1
        if faults:
            seen[f"FAULT {faults[0].what}"] += 1
        if made.level in (Level.RULES, Level.SAFE_STATE):
            seen[f"FELL {made.breaches[-1].text[:70]}"] += 1

    one()
    print(f"{sum(seen[level.value] for level in Level)} problems in {time.perf_counter() - start:.0f} s")
    for name, count in seen.most_common():
        print(f"  {count:6d}  {name}")


if __name__ == "__main__":
    main()
