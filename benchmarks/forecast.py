"""All figures of the forecaster in one table: ``python -m benchmarks.forecast [--quick]``.

Each topic's module states its protocol. Everything is out of sample; GEFCom2014 is tuned on tasks 1-3 only,
which is what ``--quick`` runs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks import (
    forecast_cold,
    forecast_gefcom,
    forecast_held,
    forecast_pvod,
    forecast_speed,
    forecast_surfrad,
    forecast_walk,
)
from benchmarks.forecast_table import Row, table_text

TOPICS: dict[str, Callable[..., list[Row]]] = {
    "surfrad": forecast_surfrad.run,
    "pvod": forecast_pvod.run,
    "walk": forecast_walk.run,
    "held": forecast_held.run,
    "cold": forecast_cold.run,
    "speed": forecast_speed.run,
    "gefcom": forecast_gefcom.run,
}


def main() -> None:
    """Print the table, topic by topic."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast")
    parser.add_argument("--quick", action="store_true", help="fewer months, plants and tasks")
    parser.add_argument("--topic", choices=sorted(TOPICS), action="append", help="only this topic; may be given again")
    arguments = parser.parse_args()
    for topic in arguments.topic or TOPICS:
        began = time.perf_counter()
        rows = TOPICS[topic](quick=arguments.quick)
        print(table_text(rows))
        print(f"  ({topic}: {time.perf_counter() - began:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
