"""What planning is worth: the container for a January and a June week, policies on equal terms.

    python -m benchmarks.worth            both weeks, every policy of the comparison, and the perfect-foresight bound
    python -m benchmarks.worth --quick    one winter day, the cheap policies and the planner

Same weather, jobs and start for all; a drain period after the week; the plant perturbed (battery 8 % smaller, computers
10 % hungrier, engines 3 % thirstier, sensor noise); hourly replanning. Cost = fuel + wear + starts + lateness + priced
unserved and unfinished work + energy missing from the battery at the end. The target: the planner is cheaper than rules
and fifo in both weeks, and nothing is cheaper than the bound.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from controller.studies.compare import comparison_table, run_comparison
from sites.load import load_site

WEEKS = {"January": datetime(2025, 1, 13, 5, tzinfo=UTC), "June": datetime(2025, 6, 16, 4, tzinfo=UTC)}
POLICIES = ("rules", "fifo", "planner", "oracle")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="What planning is worth on the container.")
    parser.add_argument("--quick", action="store_true", help="one winter day")
    parser.add_argument("--site", default="container")
    parser.add_argument("--solve-seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, help="folder for the JSON of each week")
    arguments = parser.parse_args()
    weeks = {"January": WEEKS["January"]} if arguments.quick else WEEKS
    for name, start in weeks.items():
        results = run_comparison(
            load_site(arguments.site),
            policies=POLICIES,
            start_utc=start,
            days=1.0 if arguments.quick else 7.0,
            drain_days=3.0,
            solve_seconds=arguments.solve_seconds,
        )
        print(f"\n{name}")
        comparison_table(results)
        costs = {result.policy: result.cost_usd for result in results}
        for base in ("rules", "fifo"):
            met = "met" if costs["planner"] < costs[base] else "MISSED"
            print(f"target: planner cheaper than {base}: {costs['planner']:,.0f} $ against {costs[base]:,.0f} $: {met}")
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            document = "[" + ",".join(result.model_dump_json() for result in results) + "]\n"
            (arguments.out / f"{name.lower()}.json").write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
