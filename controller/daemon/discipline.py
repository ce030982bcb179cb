"""Setpoint discipline: what was written is held against what the telemetry does.

    own        the equipment does what it was told                                   (nothing to say)
    stale      it was told something and does not move: the order did not get through, or a cap leaks
    external   it does something that nobody here told it: a panel, another program, a person
    refused    the device said no when it was written                                (comes from the device)

An order has its time: a genset has to crank and warm up, a stop has to cool down. Orders are levels, written
again in every cycle, so whatever somebody else changed is asserted again at once; the verdict says that it
happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.guards.gensets_called import TURNING, command_of, reading_of
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import Snapshot
from sites.compute.pool_gpu import pool_gpu
from sites.plant.params import node_params
from sites.schema.energy import Genset
from sites.schema.site import Site
from sites.schema.workload import Pool

GRACE_S = 60.0
"""Time beyond what the equipment needs before an order counts as not followed."""
PV_GRACE_S = 30.0
PV_MARGIN = (1.0, 0.05)
"""kW, and share of the limit, that metered PV may lie above it."""
LIMIT_MARGIN_W = 1.0
DRAW_MARGIN = (1.0, 0.2)
"""kW, and share, that a pool may draw above what its orders allow: meters, fans, data sheets."""


class Discipline:
    """Holds the last written setpoints of one site against its snapshots."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._since: dict[str, tuple[object, datetime]] = {}

    def check(self, snapshot: Snapshot, written: Setpoints | None, now: datetime) -> tuple[Outcome, ...]:
        """Return what does not follow its order; empty when all does."""
        if written is None:
            return ()
        found = [*self._gensets(snapshot, written, now), *self._pv(snapshot, written, now)]
        found += self._draws(snapshot, written, now)
        return (*found, *self._jobs(snapshot, written, now), *self._limits(snapshot, written, now))

    def _age_s(self, subject: str, order: object, now: datetime) -> float:
        """Return how long a subject has had its present order, s."""
        known = self._since.get(subject)
        if known is None or known[0] != order or now < known[1]:  # a clock that was set back
            self._since[subject] = (order, now)
            return 0.0
        return (now - known[1]).total_seconds()

    def _gensets(self, snapshot: Snapshot, written: Setpoints, now: datetime) -> Iterator[Outcome]:
        for genset in self._site.gensets:
            asked, reading = command_of(written, genset.name), reading_of(snapshot, genset.name)
            if asked is None or reading is None or reading.phase is None:
                continue
            age_s = self._age_s(f"genset {genset.name}", asked.run, now)
            turning = reading.phase in TURNING
            if asked.run and not turning and age_s > genset.start_s + GRACE_S:
                text = f"told to run {age_s:.0f} s ago, it is {reading.phase.value}"
                yield _run(genset, True, False, Verdict.STALE, text)
            if not asked.run and turning and age_s > _stop_s(genset) + GRACE_S:
                by_panel = "" if reading.remote_allowed else "; its panel is not in remote"
                text = f"told to stop {age_s:.0f} s ago, it is {reading.phase.value}{by_panel}"
                yield _run(genset, False, True, Verdict.EXTERNAL, text)

    def _pv(self, snapshot: Snapshot, written: Setpoints, now: datetime) -> Iterator[Outcome]:
        limit_kw, pv_kw = written.pv_limit_kw, snapshot.pv_kw
        above = limit_kw is not None and pv_kw is not None and pv_kw > limit_kw + PV_MARGIN[0] + PV_MARGIN[1] * limit_kw
        age_s = self._age_s("pv", above, now)
        if above and age_s > PV_GRACE_S:
            text = f"limited to {limit_kw:.1f} kW, it gives {pv_kw:.1f} kW"
            yield Outcome(
                device="pv", what="limit", asked=limit_kw or 0.0, found=pv_kw, verdict=Verdict.STALE, text=text
            )

    def _jobs(self, snapshot: Snapshot, written: Setpoints, now: datetime) -> Iterator[Outcome]:
        told = {each.name for each in written.jobs}
        there = {f"job {each.name}" for each in snapshot.jobs}
        for gone in [each for each in self._since if each.startswith("job ") and each not in there]:
            del self._since[gone]
        for reading in snapshot.jobs:
            runs, wanted = reading.state == "running", reading.name in told
            subject = f"job {reading.name}"
            age_s = self._age_s(subject, (runs, wanted), now)
            if runs == wanted or reading.state not in ("queued", "running", "paused") or age_s <= GRACE_S:
                continue
            verdict = Verdict.EXTERNAL if runs else Verdict.STALE
            text = (
                "it runs though nobody told it to" if runs else f"told to run {age_s:.0f} s ago, it is {reading.state}"
            )
            yield Outcome(device="runner", what=subject, asked=wanted, found=runs, verdict=verdict, text=text)

    def _limits(self, snapshot: Snapshot, written: Setpoints, now: datetime) -> Iterator[Outcome]:
        for pool in snapshot.pools:
            limits = [each.limit_w for each in written.jobs if each.pool == pool.name]
            limits += [each.mode.limit_w for each in written.services if each.mode.pool == pool.name]
            if not limits or pool.limit_w is None:
                continue
            above = pool.limit_w > max(limits) + LIMIT_MARGIN_W
            if self._age_s(f"limit {pool.name}", above, now) > GRACE_S and above:
                text = f"set to {max(limits):.0f} W, enforced {pool.limit_w:.0f} W"
                yield Outcome(
                    device=pool.name,
                    what="limit",
                    asked=max(limits),
                    found=pool.limit_w,
                    verdict=Verdict.EXTERNAL,
                    text=text,
                )

    def _draws(self, snapshot: Snapshot, written: Setpoints, now: datetime) -> Iterator[Outcome]:
        """Say which pools draw more than their orders allow: caps that leak."""
        described = {pool.name: pool for pool in self._site.pools}
        for reading in snapshot.pools:
            if reading.draw_kw is None or reading.name not in described:
                continue
            most_kw = ceiling_kw(described[reading.name], written)
            above = reading.draw_kw > DRAW_MARGIN[0] + (1.0 + DRAW_MARGIN[1]) * most_kw
            if self._age_s(f"draw {reading.name}", above, now) > GRACE_S and above:
                yield Outcome(
                    device=reading.name,
                    what="draw",
                    asked=most_kw,
                    found=reading.draw_kw,
                    verdict=Verdict.STALE,
                    text=f"its limits allow {most_kw:.1f} kW, it draws {reading.draw_kw:.1f} kW: a cap leaks",
                )


def ceiling_kw(pool: Pool, written: Setpoints) -> float:
    """Return the most [kW at the wall] that a pool may draw under its orders: hosts on, every other GPU idle."""
    orders = [(each.gpus, each.limit_w) for each in written.jobs if each.pool == pool.name]
    orders += [(each.mode.gpus, each.mode.limit_w) for each in written.services if each.mode.pool == pool.name]
    idle = max(pool.gpus - sum(gpus for gpus, _ in orders), 0.0)
    gpus_w = sum(gpus * limit_w for gpus, limit_w in orders) + idle * pool_gpu(pool).limits.idle_w
    host = node_params(pool)
    return (pool.nodes * max(host.idle_w, host.boot_w) + gpus_w * pool.wall_factor) / 1000.0


def _stop_s(genset: Genset) -> float:
    """Return the longest time in which a genset may still turn after a stop order, s."""
    return genset.min_run_minutes * 60.0 + genset.cooldown_s + genset.warmup_s


def _run(genset: Genset, asked: bool, found: bool, verdict: Verdict, text: str) -> Outcome:
    return Outcome(device=genset.name, what="run", asked=asked, found=found, verdict=verdict, text=text)
