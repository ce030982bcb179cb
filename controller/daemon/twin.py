"""The simulated plant in a running daemon: made from the prepared world, moved with the clock, kept over restarts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import JsonValue

from controller.daemon.clocks import STEP_MAX_S
from controller.daemon.messages import Prepared
from controller.devices.compute.driven import make_computers
from controller.devices.real_site import RealSite
from controller.devices.simulated import SimulatedSite, SiteState
from controller.devices.simulated_work import SimulatedJob
from controller.records.entries import TwinEntry
from controller.setpoints import Outcome, ServiceCommand, Setpoints
from controller.snapshot import GensetReading, Snapshot
from optimizer.problem import JobProblem
from sites.plant.node import NodeState
from sites.record import Record
from sites.schema.site import Site
from sites.times import Utc

Shape = TypeVar("Shape")
CATCH_UP_MAX = timedelta(hours=6)
"""After a longer stop of a live daemon the plant goes on from its state without living through the gap."""
AHEAD = timedelta(days=2)
"""How far the world has to reach beyond the present."""


class TwinDocument(Record):
    """A simulated site's state as it is stored."""

    at_utc: Utc
    plant: JsonValue
    """The plant's named tuples as nested lists, read back in the shape of a plant at rest."""
    jobs: dict[str, SimulatedJob]
    services: tuple[ServiceCommand, ...]
    hosts: dict[str, tuple[NodeState, ...]]


def nested(value: object) -> JsonValue:
    """Return nested tuples of numbers as nested lists."""
    if isinstance(value, tuple):
        return [nested(each) for each in value]
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"a plant state holds numbers, not {type(value).__name__}")


def shaped(found: JsonValue, like: Shape) -> Shape:
    """Return nested lists as tuples shaped and typed like ``like``.

    Raises:
        ValueError: the lists are of another shape.
    """
    if isinstance(like, tuple):
        if not isinstance(found, list) or len(found) != len(like):
            raise ValueError("the stored plant is of another shape")
        parts = [shaped(each, part) for each, part in zip(found, like, strict=True)]
        kind = type(like)
        return kind(*parts) if hasattr(like, "_fields") else kind(parts)
    if not isinstance(found, int | float):
        raise ValueError("the stored plant is of another shape")
    return type(like)(found)  # type: ignore[call-arg]


class NoDevices:
    """The site while its devices cannot be reached yet: nothing is sensed, nothing is ordered."""

    def __init__(self, site: Site, at_utc: datetime) -> None:
        self._site = site
        self.at_utc = at_utc

    def read(self) -> Snapshot:
        """Return a snapshot in which nothing could be read."""
        gensets = tuple(GensetReading(name=each.name, phase=None, power_kw=None) for each in self._site.gensets)
        return Snapshot(at_utc=self.at_utc, battery=None, gensets=gensets)

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Write nothing."""
        return ()

    def submit(self, job: JobProblem) -> None:
        """Leave the job to the devices that come."""

    def cancel(self, job_name: str) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing to leave behind."""


def make_twin(
    site: Site, prepared: Prepared, *, start_utc: datetime, state: str | None, real: RealSite | None = None
) -> SimulatedSite | RealSite | None:
    """Return the simulated site, going on from a stored state; none when the world does not hold that moment.

    Where the power side is ``real``, it gets its simulated computers.

    Raises:
        ValueError: the stored state is of another program version.
    """
    if prepared.world is None:
        return None
    world = prepared.world.world()
    twin: SimulatedSite | RealSite
    if real is None:
        computers = make_computers(site, prepared.pools)
        twin = SimulatedSite(
            site, prepared.pools, world, start_utc=start_utc, seed=site.devices.seed, computers=computers
        )
    else:
        real.equip(prepared.pools, world)
        twin = real
    if state is not None:
        stored = TwinDocument.model_validate_json(state)
        twin.state = SiteState(
            at_utc=stored.at_utc,
            plant=shaped(stored.plant, twin.state.plant),
            jobs=stored.jobs,
            services=stored.services,
            hosts=stored.hosts,
        )
    inside = world.pv_available_kw.start_utc <= twin.state.at_utc < world.end_utc
    return twin if inside else None


def catch_up(twin: SimulatedSite | RealSite, now: datetime) -> None:
    """Bring a twin that stood still to ``now``: it lives through a short gap, and skips a long one."""
    gap = now - twin.state.at_utc
    if isinstance(twin, RealSite) or gap > CATCH_UP_MAX or gap < timedelta(0):
        twin.state = replace(twin.state, at_utc=now)
        return
    while (left_s := (now - twin.state.at_utc).total_seconds()) > 1e-6:
        twin.step(min(left_s, STEP_MAX_S))


def move(twin: SimulatedSite | RealSite, seconds: float) -> None:
    """Move a twin by ``seconds`` in steps of at most a minute; not beyond the end of its world."""
    left_s = min(seconds, (twin.world_end_utc - twin.state.at_utc).total_seconds())
    while left_s > 1e-6:
        twin.step(min(left_s, STEP_MAX_S))
        left_s -= STEP_MAX_S


def twin_entry(twin: SimulatedSite | RealSite) -> TwinEntry:
    """Return the entry that keeps a twin's state; the document is made in the recorder's thread."""
    state = replace(twin.state, jobs=dict(twin.state.jobs))

    def document() -> str:
        return TwinDocument(
            at_utc=state.at_utc,
            plant=nested(state.plant),
            jobs=state.jobs,
            services=state.services,
            hosts=state.hosts,
        ).model_dump_json()

    return TwinEntry(at_utc=state.at_utc, document=document)


def world_ends_soon(twin: SimulatedSite | RealSite) -> bool:
    """Return whether a further part of the world has to be prepared."""
    return twin.world_end_utc - twin.state.at_utc < AHEAD
