"""Calling gensets to help: which one is fit to run, and the setpoints with it running.

Rotation: a genset that runs or is asked for comes first, then the one with the fewest service hours.
"""

from __future__ import annotations

from controller.setpoints import GensetCommand, Setpoints
from controller.snapshot import GensetPhase, GensetReading, Snapshot
from sites.schema.energy import Genset
from sites.schema.site import Site

TURNING = frozenset({GensetPhase.CRANKING, GensetPhase.WARMUP, GensetPhase.RUNNING})


def reading_of(snapshot: Snapshot, name: str) -> GensetReading | None:
    """Return the reading of a genset, none when it does not answer."""
    return next((each for each in snapshot.gensets if each.name == name), None)


def command_of(setpoints: Setpoints, name: str) -> GensetCommand | None:
    """Return what is asked of a genset."""
    return next((each for each in setpoints.gensets if each.name == name), None)


def with_command(setpoints: Setpoints, command: GensetCommand) -> Setpoints:
    """Return setpoints in which one genset's command is replaced or added."""
    if command_of(setpoints, command.name) is None:
        return setpoints.model_copy(update={"gensets": (*setpoints.gensets, command)})
    gensets = tuple(command if each.name == command.name else each for each in setpoints.gensets)
    return setpoints.model_copy(update={"gensets": gensets})


def can_run(genset: Genset, reading: GensetReading | None) -> bool:
    """Return whether a genset may be asked to run by itself: it answers, is not locked out, its panel allows it."""
    return (
        genset.autostart
        and reading is not None
        and reading.phase is not None
        and reading.phase is not GensetPhase.LOCKED_OUT
        and reading.remote_allowed
        and reading.failed_starts < genset.start_attempts
    )


def call_gensets(
    setpoints: Setpoints, snapshot: Snapshot, site: Site, *, count: int, load_frac: float, reason_code: str
) -> Setpoints:
    """Return setpoints with ``count`` fit gensets running at ``load_frac`` of their rating or more."""

    def order(genset: Genset) -> tuple[bool, float]:
        asked = command_of(setpoints, genset.name)
        reading = reading_of(snapshot, genset.name)
        runs = (asked is not None and asked.run) or (reading is not None and reading.phase in TURNING)
        return not runs, reading.run_h if reading else 0.0

    fit = [genset for genset in site.gensets if can_run(genset, reading_of(snapshot, genset.name))]
    for genset in sorted(fit, key=order)[:count]:
        asked = command_of(setpoints, genset.name)
        wanted_kw = load_frac * genset.rating_kw
        if asked is None or not asked.run:
            command = GensetCommand(name=genset.name, run=True, kw=wanted_kw, reason_code=reason_code)
            setpoints = with_command(setpoints, command)
        elif asked.kw < wanted_kw:
            setpoints = with_command(setpoints, asked.model_copy(update={"kw": wanted_kw}))
    return setpoints
