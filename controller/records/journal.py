"""The journal of guard decisions: a preallocated ring in a memory-mapped file.

A guard's order is noted here before it is acted on and costs a memory copy, no system call and no wait for a
disk; the kernel keeps the pages when the process is killed. The recorder brings the entries to the store soon
after; at start the ring is read once more, and what is not in the store yet goes there (entries carry their
id, so none is doubled).

Slot: ``length u32 | crc32 u32 | payload``. A slot torn by a power cut fails its checksum and is left out.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from controller.records.entries import DecisionEntry

SLOTS, SLOT_BYTES = 1024, 1024
_HEAD = struct.Struct("<II")
_ENTRY = TypeAdapter(DecisionEntry)


class Journal:
    """A ring of decisions on disk; the file is made whole before the first is written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = SLOTS * SLOT_BYTES
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self._next = 0

    def read(self) -> tuple[DecisionEntry, ...]:
        """Return every whole entry in the ring, oldest first."""
        found = []
        for slot in range(SLOTS):
            start = slot * SLOT_BYTES
            length, check = _HEAD.unpack_from(self._map, start)
            if not 0 < length <= SLOT_BYTES - _HEAD.size:
                continue
            payload = self._map[start + _HEAD.size : start + _HEAD.size + length]
            if crc32(payload) != check:
                continue
            try:
                found.append((_ENTRY.validate_json(payload), slot))
            except ValidationError:
                continue
        found.sort(key=lambda pair: (pair[0].at_utc, pair[0].seq))
        if found:
            self._next = (found[-1][1] + 1) % SLOTS
        return tuple(entry for entry, _ in found)

    def note(self, entry: DecisionEntry) -> None:
        """Write an entry into the next slot; its text is cut to fit."""
        payload = _ENTRY.dump_json(entry)
        room = SLOT_BYTES - _HEAD.size
        if len(payload) > room:
            short = {**entry.__dict__, "text": "", "order_text": entry.order_text[:300]}
            payload = _ENTRY.dump_json(DecisionEntry(**short))[:room]
        start = self._next * SLOT_BYTES
        _HEAD.pack_into(self._map, start, 0, 0)
        self._map[start + _HEAD.size : start + _HEAD.size + len(payload)] = payload
        _HEAD.pack_into(self._map, start, len(payload), crc32(payload))
        self._next = (self._next + 1) % SLOTS

    def close(self) -> None:
        """Give the file back."""
        self._map.close()
