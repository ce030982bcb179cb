"""The ledger of orders: what each subject was last told, and which orders of this cycle are new.

A decision is a change of a discrete order: genset run or stop, the mode of a service, GPUs and limit of a
job, the tiers that are shed, the rung of the ladder. The newest decision of a subject *is* its order, so
after a restart the loop goes on from the store: an order that was committed but not acted on is carried out
under its own id while it has not expired, and an order already given is not given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from controller.guards.records import Reason
from controller.records.entries import DecisionEntry
from controller.records.resume import LastOrder
from controller.records.views import Origin
from controller.setpoints import GensetCommand, JobCommand, ServiceCommand, Setpoints

NOTHING_SHED = "serve all"
PAUSE, STOP, RUN, OFF = "pause", "stop", "run", "off"
IDLE_ORDERS = frozenset({PAUSE, STOP, OFF, NOTHING_SHED})
"""What a subject without any order does; no decision is needed to go on doing it."""


def orders_of(setpoints: Setpoints) -> dict[str, str]:
    """Return the discrete order to each subject in setpoints."""
    orders = {f"genset {each.name}": RUN if each.run else STOP for each in setpoints.gensets}
    orders |= {f"service {each.name}": each.mode.name if each.mode.gpus else OFF for each in setpoints.services}
    orders |= {f"job {each.name}": f"{each.gpus:g} x {each.pool} @ {each.limit_w:.0f} W" for each in setpoints.jobs}
    orders["tiers"] = "shed " + ", ".join(setpoints.shed_tiers) if setpoints.shed_tiers else NOTHING_SHED
    return orders


def idle_order(subject: str) -> str:
    """Return the order that a subject has when setpoints do not name it."""
    kind = subject.partition(" ")[0]
    return {"genset": STOP, "service": OFF, "job": PAUSE, "tiers": NOTHING_SHED}.get(kind, OFF)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why this cycle's setpoints are as they are, guards apart."""

    origin: Origin
    plan_id: str | None
    reason_code: str
    text: str


@dataclass
class _Standing:
    seq: int
    order_text: str
    decision_id: str
    acted: bool
    expires_utc: datetime


class Ledger:
    """Knows the last order to every subject of one site."""

    def __init__(self, last: Iterable[LastOrder] = ()) -> None:
        self._standing = {
            each.subject: _Standing(each.seq, each.order_text, each.decision_id, each.acted, each.expires_utc)
            for each in last
        }
        self._issued = {subject: standing.seq for subject, standing in self._standing.items()}
        """Highest number given to an order of each subject, committed or not."""

    def changes(
        self,
        wanted: Setpoints,
        allowed: Setpoints,
        cause: Cause,
        reasons: Iterable[Reason],
        *,
        level: str,
        over: frozenset[str],
        reachable: bool,
        now: datetime,
    ) -> tuple[DecisionEntry, ...]:
        """Return the decisions that lead from the standing orders to ``allowed``.

        Args:
            wanted: what plan, rules or operator asked for.
            allowed: what the guards left of it.
            cause: where ``wanted`` comes from.
            reasons: why guards narrowed it.
            level: rung of the ladder in force.
            over: names of jobs that are done or cancelled: no order is left to give.
            reachable: whether there are devices to tell; without them only the rung can change.
            now: site time.
        """
        self._forget(over)
        orders = (orders_of(allowed) if reachable else {}) | {"level": level}
        asked = orders_of(wanted)
        for subject in self._standing:
            if reachable and subject not in orders:
                orders[subject] = idle_order(subject)
        found = tuple(reasons)
        made = []
        for subject, order in orders.items():
            standing = self._standing.get(subject)
            if standing is None and order in IDLE_ORDERS:
                continue
            if standing is not None and standing.order_text == order and (standing.acted or now < standing.expires_utc):
                continue
            guarded = subject != "level" and asked.get(subject, idle_order(subject)) != order
            made.append(self._decision(subject, order, cause, found if guarded else (), allowed, now))
        return tuple(made)

    def _decision(
        self,
        subject: str,
        order: str,
        cause: Cause,
        reasons: tuple[Reason, ...],
        allowed: Setpoints,
        now: datetime,
    ) -> DecisionEntry:
        origin, code, text = cause.origin, cause.reason_code, cause.text
        if reasons:
            reason = next((each for each in reasons if each.subject == subject), reasons[-1])
            origin, code, text = "guard", reason.reason_code, reason.text
        return DecisionEntry(
            id=uuid4().hex,
            subject=subject,
            seq=self._issued.get(subject, 0) + 1,
            order_text=order,
            origin=origin,
            reason_code=code,
            text=text,
            plan_id=cause.plan_id,
            at_utc=now,
            expires_utc=allowed.expires_utc,
        )

    def issue(self, decisions: Iterable[DecisionEntry]) -> None:
        """Take note of decisions that are on their way to the store: their numbers are used."""
        self._issued |= {each.subject: each.seq for each in decisions}

    def take(self, decisions: Iterable[DecisionEntry]) -> None:
        """Let decisions that are committed, or were forced by a guard, stand, unless a later one stands already."""
        for each in decisions:
            standing = self._standing.get(each.subject)
            if standing is not None and standing.seq >= each.seq:
                continue
            self._standing[each.subject] = _Standing(each.seq, each.order_text, each.id, False, each.expires_utc)

    def knows(self, subject: str) -> bool:
        """Return whether a subject has ever been given an order."""
        return subject in self._standing

    def stands(self, subject: str, order_text: str) -> bool:
        """Return whether an order is the standing one of its subject."""
        standing = self._standing.get(subject)
        return standing is not None and standing.order_text == order_text

    def open_ids(
        self, allowed: Setpoints, *, level: str, reachable: bool, over: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the ids of standing orders that ``allowed`` carries out and that are not marked as acted yet.

        Jobs in ``over`` have ended: an order that came too late for one is never carried out.
        """
        orders = orders_of(allowed) | {"level": level}
        return tuple(
            standing.decision_id
            for subject, standing in self._standing.items()
            if not standing.acted
            and (reachable or subject == "level")
            and subject.removeprefix("job ") not in over
            and orders.get(subject, idle_order(subject)) == standing.order_text
        )

    def acted(self, ids: Iterable[str]) -> None:
        """Mark decisions as acted on."""
        done = set(ids)
        for standing in self._standing.values():
            standing.acted = standing.acted or standing.decision_id in done

    def _forget(self, over: frozenset[str]) -> None:
        """Drop the orders of jobs that are over: a ledger that keeps them grows for years."""
        for subject in [each for each in self._standing if each.removeprefix("job ") in over]:
            del self._standing[subject]
            self._issued.pop(subject, None)


def held_back(allowed: Setpoints, before: Setpoints | None, subjects: Iterable[str]) -> Setpoints:
    """Return ``allowed`` with the given subjects as they were in ``before``; idle when there was nothing before."""
    held = set(subjects)
    if not held:
        return allowed
    old_gensets = {each.name: each for each in before.gensets} if before else {}
    gensets: list[GensetCommand] = []
    for genset in allowed.gensets:
        if f"genset {genset.name}" in held:
            gensets.append(old_gensets.get(genset.name, GensetCommand(name=genset.name, run=False)))
        else:
            gensets.append(genset)
    return allowed.model_copy(
        update={
            "gensets": tuple(gensets),
            "services": _mixed("service", allowed.services, before.services if before else (), held),
            "jobs": _mixed("job", allowed.jobs, before.jobs if before else (), held),
            "shed_tiers": (before.shed_tiers if before else ()) if "tiers" in held else allowed.shed_tiers,
        }
    )


def _mixed(
    kind: str,
    allowed: tuple[ServiceCommand, ...] | tuple[JobCommand, ...],
    before: tuple[ServiceCommand, ...] | tuple[JobCommand, ...],
    held: set[str],
) -> tuple[ServiceCommand | JobCommand, ...]:
    kept = [each for each in allowed if f"{kind} {each.name}" not in held]
    old: Mapping[str, ServiceCommand | JobCommand] = {each.name: each for each in before}
    return (*kept, *(old[name] for name in old if f"{kind} {name}" in held))
