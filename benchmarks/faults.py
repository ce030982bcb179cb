"""Fault campaign: ``python -m benchmarks.faults [--days N] [--hours H] [--first SEED]``.

Seeded days of the container, each with one fault or a pair that overlaps, under rules; what has to hold is in
``controller.faults.campaign``. Ends with three guards switched off, one at a time, on days that need them:
the campaign has to notice.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from controller.faults.campaign import START, DayResult, run_day
from controller.faults.kinds import Fault, Injection
from sites.load import load_site
from sites.schema.site import Site

OFF = (
    ("emergency", Fault.EMERGENCY),
    ("battery_open", Fault.BMS_OPEN),
    ("limits", Fault.GPU_LOST),
)
"""A guard, and the fault of a day on which it is missed."""


def switched_off(site: Site, guard: str, fault: Fault) -> tuple[DayResult, DayResult]:
    """Return the same day with a guard and without it."""
    begin = START + timedelta(minutes=40 if fault is Fault.EMERGENCY else 0)
    injected = (Injection(fault, begin, begin + timedelta(minutes=20)),)
    return (
        run_day(site, 1, hours=2.0, injections=injected, soc_frac=0.17),
        run_day(site, 1, hours=2.0, injections=injected, soc_frac=0.17, without=(guard,)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 when something did not hold or was not noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--days", type=int, default=36)
    parser.add_argument("--hours", type=float, default=24.0, help="length of a day")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    site = load_site("container")
    days, spoilt, broken = Counter[Fault](), Counter[Fault](), Counter[Fault]()
    failed: list[DayResult] = []
    cycles = kills = 0
    begin = time.perf_counter()
    for seed in range(given.first, given.first + given.days):
        result = run_day(site, seed, hours=given.hours)
        cycles, kills = cycles + result.cycles, kills + result.kills
        for fault in {each.fault for each in result.injections}:
            days[fault] += 1
            spoilt[fault] += fault in result.spoilt
            broken[fault] += bool(result.violations)
        if result.violations:
            failed.append(result)
    seconds = time.perf_counter() - begin
    print(f"{'fault':<36} {'days':>5} {'took effect':>12} {'days violated':>14}")
    for fault in Fault:
        if days[fault]:
            effect = f"{spoilt[fault]}" if fault not in (Fault.KILLED, Fault.STORE_LOCKED, Fault.PANEL_MANUAL) else "-"
            print(f"{fault.value:<36} {days[fault]:>5} {effect:>12} {broken[fault]:>14}")
    print(
        f"{given.days} days of {given.hours:g} h, {cycles} cycles, {kills} kills, {seconds:.0f} s: "
        f"{len(failed)} days with violations   target 0"
    )
    for result in failed:
        print(f"  seed {result.seed} {[each.fault.value for each in result.injections]}: {result.violations[:3]}")
    unnoticed = 0
    for guard, fault in OFF:
        held, missed = switched_off(site, guard, fault)
        noticed = not held.violations and bool(missed.violations)
        unnoticed += not noticed
        what = missed.violations[0] if missed.violations else "nothing"
        print(f"guard {guard} switched off: {'noticed' if noticed else 'NOT NOTICED'} ({what})")
    return int(bool(failed) or bool(unnoticed))


if __name__ == "__main__":
    sys.exit(main())
