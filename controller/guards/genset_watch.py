"""What a genset's own controller may not tell, or forget: how long it is in its phase, and starts that failed.

    time in phase   the longer of what it says and what was seen here                                         (1)
    failed starts   the greater of what it says and the cranks seen here that ended standing                  (2)

Both are remembered over restarts of this program. (2) goes back to nothing when it runs, and when a person has been
at the panel: it leaves lock-out, or comes back from MANUAL.
"""

from __future__ import annotations

from controller.guards.records import GensetMemory, GuardMemory
from controller.snapshot import GensetPhase, GensetReading, Snapshot

FAILED = frozenset({GensetPhase.OFF, GensetPhase.LOCKED_OUT})


def watched(snapshot: Snapshot, memory: GuardMemory, dt_s: float) -> tuple[Snapshot, GuardMemory]:
    """Return the snapshot with (1) and (2), and what is remembered of them."""
    known = dict(memory.gensets)
    readings = []
    for reading in snapshot.gensets:
        seen = _seen(known.get(reading.name, GensetMemory()), reading, dt_s)
        known[reading.name] = seen
        update = {
            "phase_s": max(reading.phase_s, seen.phase_s),
            "failed_starts": max(reading.failed_starts, seen.failed_starts),
        }
        readings.append(reading if reading.phase is None else reading.model_copy(update=update))
    return snapshot.model_copy(update={"gensets": tuple(readings)}), memory._replace(gensets=known)


def _seen(memory: GensetMemory, reading: GensetReading, dt_s: float) -> GensetMemory:
    phase, before = reading.phase, memory.phase
    if phase is None:
        return memory._replace(phase_s=memory.phase_s + dt_s)
    failed = memory.failed_starts
    by_person = (before is GensetPhase.LOCKED_OUT and phase is GensetPhase.OFF) or (
        reading.remote_allowed and not memory.remote_allowed
    )
    if phase in (GensetPhase.WARMUP, GensetPhase.RUNNING) or by_person:
        failed = 0
    elif before is GensetPhase.CRANKING and phase in FAILED:
        failed += 1
    return memory._replace(
        phase=phase,
        phase_s=memory.phase_s + dt_s if phase is before else 0.0,
        failed_starts=failed,
        remote_allowed=reading.remote_allowed,
    )
