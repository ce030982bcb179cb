"""The guards' memory as a document, and what of it still holds after a restart.

After a short stop everything does. After :data:`STILL_HOLDS` only what stays true of machines does (lock-outs, starts that
failed, tests): a shortage of yesterday is none of today, and nobody saw how long a genset has been in its phase.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from controller.guards.records import GensetMemory, GuardMemory

STILL_HOLDS = timedelta(hours=1)
_MEMORY = TypeAdapter(GuardMemory)


def document_of(memory: GuardMemory) -> bytes:
    """Return a memory as JSON."""
    return _MEMORY.dump_json(memory)


def memory_of(document: bytes | None, now: datetime) -> GuardMemory:
    """Return what is remembered at ``now``; a fresh memory when there is none or it is of another version."""
    if document is None:
        return GuardMemory()
    try:
        memory = _MEMORY.validate_json(document)
    except ValidationError:
        return GuardMemory()
    if memory.last_utc is None or abs(now - memory.last_utc) > STILL_HOLDS:
        lasting = {name: _lasting(_past(genset, now)) for name, genset in memory.gensets.items()}
        return GuardMemory(gensets=lasting, full_utc=_no_later(memory.full_utc, now))
    return memory


def after_set_back(memory: GuardMemory, now: datetime) -> GuardMemory:
    """Return a memory whose waits go on although the clock was set back: they end as late as they would have.

    What happened while the clock was ahead happened now: a test run is not due a year late.
    """
    if memory.last_utc is None or now >= memory.last_utc:
        return memory
    by = now - memory.last_utc

    def moved(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment + by

    gensets = {
        name: _past(each, now)._replace(
            call_since_utc=moved(each.call_since_utc),
            release_since_utc=moved(each.release_since_utc),
            test_until_utc=moved(each.test_until_utc),
        )
        for name, each in memory.gensets.items()
    }
    return memory._replace(last_utc=now, gensets=gensets, full_utc=_no_later(memory.full_utc, now))


def _past(genset: GensetMemory, now: datetime) -> GensetMemory:
    return genset._replace(
        last_run_utc=_no_later(genset.last_run_utc, now), tested_utc=_no_later(genset.tested_utc, now)
    )


def _no_later(moment: datetime | None, now: datetime) -> datetime | None:
    return None if moment is None else min(moment, now)


def _lasting(genset: GensetMemory) -> GensetMemory:
    return genset._replace(phase=None, phase_s=0.0, call_since_utc=None, release_since_utc=None, test_until_utc=None)
