"""The guards' memory as a document, and what of it still holds after a restart.

After a short stop everything does. After :data:`STILL_HOLDS` only what is about machines does (lock-outs, starts that
failed, tests): a shortage of yesterday is none of today.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from controller.guards.records import GuardMemory

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
        return GuardMemory(gensets=memory.gensets)
    return memory
