"""Fault campaign: ``python -m benchmarks.faults [--days N] [--worker-days N] [--results FILE [--again]] [--quick]``.

Seeded days of the container and the cabinet, each with one fault or a pair that overlaps; rules plan on the first, the
real planning worker on the others. What has to hold is in ``controller.faults.watching`` and ``campaign``. With
``--results`` each day is added to a file as it is done, and a run that was cut goes on; ``--again`` repeats the days
of that file on which something did not hold. Ends with the loss of both gensets at full load, and with three guards
switched off, one at a time, on days that need them: the campaign has to notice.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from controller.faults.campaign import DayResult, run_day
from controller.faults.days import START
from controller.faults.genset_loss import lose_gensets
from controller.faults.kinds import Fault, Injection
from sites.load import load_site
from sites.schema.site import Site

SITES = ("container", "cabinet")
WORKER_SEED = 1_000_000
"""Seeds of days with the real planning worker begin here."""
WORKER_SITE = "cabinet"
WORKER_SOLVE_S = 1.0
OFF = (
    ("emergency", Fault.EMERGENCY),
    ("battery_open", Fault.BMS_OPEN),
    ("limits", Fault.GPU_LOST),
)
"""A guard, and the fault of a day on which it is missed."""


class Line(NamedTuple):
    """One day in the file of results."""

    seed: int
    site: str
    worker: bool
    faults: tuple[str, ...]
    spoilt: tuple[str, ...]
    violations: tuple[str, ...]
    cycles: int
    kills: int
    plans: int
    cpu_s: float


def site_of(seed: int, sites: dict[str, Site]) -> Site:
    """Return the site of a seed: every fault comes to each of them in turn."""
    if seed >= WORKER_SEED:
        return sites[WORKER_SITE]
    return sites[SITES[seed // len(Fault) % len(SITES)]]


def one_day(seed: int, hours: float, sites: dict[str, Site]) -> Line:
    """Run the day of a seed."""
    site, worker, begin_s = site_of(seed, sites), seed >= WORKER_SEED, time.process_time()
    if worker:
        site = site.model_copy(update={"planning": site.planning.model_copy(update={"solve_seconds": WORKER_SOLVE_S})})
    result = run_day(site, seed, hours=hours, worker=worker)
    return Line(
        seed=seed,
        site=site.name,
        worker=worker,
        faults=tuple(each.fault.name for each in result.injections),
        spoilt=tuple(sorted(each.name for each in result.spoilt)),
        violations=result.violations,
        cycles=result.cycles,
        kills=result.kills,
        plans=result.plans,
        cpu_s=round(time.process_time() - begin_s, 3),
    )


def read_results(path: Path | None) -> dict[int, Line]:
    """Return the days of a file of results by seed; the last line of a seed counts, a torn one does not."""
    found: dict[int, Line] = {}
    if path is None or not path.exists():
        return found
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = Line(**json.loads(text))
        except (ValueError, TypeError):
            continue
        found[line.seed] = line
    return found


def run(seeds: Iterable[int], hours: float, path: Path | None, again: bool) -> list[Line]:
    """Run the days that are not in the file yet and return all."""
    sites, known, lines = {name: load_site(name) for name in SITES}, read_results(path), []
    for seed in seeds:
        line = known.get(seed)
        if line is None or (again and line.violations):
            line = one_day(seed, hours, sites)
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line._asdict()) + "\n")
        lines.append(line)
    return lines


def print_table(lines: Sequence[Line], hours: float) -> int:
    """Print what the days showed; returns how many did not hold."""
    print(f"{'fault':<36} {'days':>5} {'alone':>6} {'took effect':>12} {'days violated':>14}")
    days, alone, spoilt, broken = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line in lines:
        for fault in set(line.faults):
            days[fault] += 1
            alone[fault] += len(line.faults) == 1
            spoilt[fault] += fault in line.spoilt
            broken[fault] += bool(line.violations)
    for each in Fault:
        name = each.name
        if days[name]:
            print(f"{each.value:<36} {days[name]:>5} {alone[name]:>6} {spoilt[name]:>12} {broken[name]:>14}")
    failed = [line for line in lines if line.violations]
    worker = [line for line in lines if line.worker]
    print(
        f"{len(lines)} days of {hours:g} h ({len(worker)} with the real planning worker, "
        f"{sum(line.plans for line in worker)} plans), {sum(line.cycles for line in lines)} cycles, "
        f"{sum(line.kills for line in lines)} kills, {sum(line.cpu_s for line in lines):.0f} s of CPU: "
        f"{len(failed)} days with violations   target 0"
    )
    for line in failed:
        print(f"  seed {line.seed} {line.site} {', '.join(line.faults)}: {'; '.join(line.violations[:3])[:300]}")
    return len(failed)


def switched_off(site: Site, guard: str, fault: Fault) -> tuple[DayResult, DayResult]:
    """Return the same two hours with a guard and without it."""
    begin = START + timedelta(minutes=40 if fault is Fault.EMERGENCY else 0)
    injected = (Injection(fault, begin, begin + timedelta(minutes=20)),)
    return (
        run_day(site, 1, hours=2.0, injections=injected, soc_frac=0.17),
        run_day(site, 1, hours=2.0, injections=injected, soc_frac=0.17, without=(guard,)),
    )


def print_switched_off(site: Site) -> int:
    """Print whether the campaign misses guards that are off; returns how many it does not."""
    unnoticed = 0
    for guard, fault in OFF:
        held, missed = switched_off(site, guard, fault)
        noticed = not held.violations and bool(missed.violations)
        unnoticed += not noticed
        what = missed.violations[0] if missed.violations else "nothing"
        print(f"guard {guard} switched off: {'noticed' if noticed else 'NOT NOTICED'} ({what})")
    return unnoticed


def print_genset_loss(site: Site) -> int:
    """Print how fast the loss of all gensets at full load is answered; returns 1 when that takes more than a cycle."""
    found = lose_gensets(site)
    print(
        f"all gensets lost at {found.lost_kw:.0f} kW, {found.jobs} jobs, battery off: limits lowered after {found.capped_s:g} s, "
        f"jobs paused after {found.paused_s:g} s (target 1), safe after {found.safe_s:g} s, "
        f"critical load missed {found.critical_missed_kwh:.3f} kWh (target 0)"
    )
    return int(max(found.capped_s, found.paused_s) > 1.0 or found.critical_missed_kwh > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 when something did not hold or was not noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--days", type=int, default=2000, help="days on which rules plan")
    parser.add_argument("--worker-days", type=int, default=20, help="days on which the real worker plans")
    parser.add_argument("--hours", type=float, default=24.0, help="length of a day")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--results", type=Path, help="file to add each day to, and to go on from")
    parser.add_argument("--again", action="store_true", help="repeat the days of the file that did not hold")
    parser.add_argument("--quick", action="store_true", help="100 seeds of three hours, one day of the real worker")
    given = parser.parse_args(arguments)
    if given.quick:
        given.days, given.worker_days, given.hours = 100, 1, 3.5
    logging.disable(logging.CRITICAL)
    seeds = [*range(given.first, given.first + given.days)]
    seeds += range(WORKER_SEED, WORKER_SEED + given.worker_days)
    failed = print_table(run(seeds, given.hours, given.results, given.again), given.hours)
    site = load_site("container")
    return int(bool(failed) or print_genset_loss(site) > 0 or print_switched_off(site) > 0)


if __name__ == "__main__":
    sys.exit(main())
