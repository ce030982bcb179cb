"""The GPUs of one pool on this host: kept at their limits by a thread, told to the control cycle at once.

Where MIG cuts them, orders and counts are of parts: part *i* is the one numbered ``i % mig_parts`` of GPU ``i // mig_parts``. The
limit is written once a GPU. A GPU that is not cut as the site file says does no work, and is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from controller.devices.compute.gpu_keeper import GpuKeeper, GpuStanding
from controller.devices.compute.gpu_power import Applied, Failed, GpuPower, PartlyApplied, Refused
from controller.devices.compute.placement import Layout, Want, limits_w, placed, whole_limits_w
from controller.devices.off_thread import Deadline, Poller
from controller.setpoints import Outcome, Verdict

LEAVE_S = 5.0
STALE_S = 10.0


class PoolGpus:
    """One pool of ``count`` whole GPUs; they are opened on the thread, again and again until their driver answers."""

    def __init__(
        self,
        pool: str,
        open_gpus: Callable[[], Sequence[GpuPower]],
        *,
        count: int,
        safe_limit_w: float | None,
        period_s: float = 1.0,
        layout: Layout = Layout(),  # noqa: B008
        part_idle_w: float = 0.0,
    ) -> None:
        """``layout`` says how the GPUs sit in nodes and islands, so that a plan's places can be followed.

        ``part_idle_w`` is the draw of a part without work, where GPUs are cut.
        """
        self.pool, self._open, self._safe_w = pool, open_gpus, safe_limit_w
        self._layout, self._parts, self._part_idle_w = layout, layout.mig_parts, part_idle_w
        self._count, self._period_s = count, period_s
        self._keeper: GpuKeeper | None = None
        self._wanted: dict[int, float] = {}
        self._places: dict[str, tuple[int, ...]] = {}
        self._external = 0
        self._poller: Poller[tuple[GpuStanding, ...]] | None = None

    def start(self) -> None:
        """Begin to keep the limits."""
        self._poller = Poller(f"gpus {self.pool}", self._turn, period_s=self._period_s)

    def _turn(self) -> tuple[GpuStanding, ...]:
        if self._keeper is None:
            self._keeper = GpuKeeper(self._open(), safe_limit_w=self._safe_w, monotonic_s=time.monotonic)
        self._keeper.want(self._wanted)
        return self._keeper.turn()

    def order(self, wants: Iterable[Want]) -> dict[str, tuple[int | str, ...]]:
        """Give GPUs and limits to who wants them; returns whose are which, parts by their UUID as far as known."""
        listed = tuple(wants)
        self._places = placed(listed, tuple(range(self._count * self._parts)), self._places, self._layout)
        self._wanted = whole_limits_w(limits_w(listed, self._places), self._parts, self._part_idle_w)
        if self._parts == 1:
            return dict(self._places)
        known = {each.index: each.reading.mig_devices for each in self.standings() if each.reading and self._cut(each)}
        return {name: tuple(self._uuids(known, own)) for name, own in self._places.items()}

    def _uuids(self, known: Mapping[int, tuple[str, ...]], parts: Iterable[int]) -> Iterator[str]:
        for gpu, part in (divmod(index, self._parts) for index in parts):
            if gpu in known:
                yield known[gpu][part]

    def _cut(self, each: GpuStanding) -> bool:
        """Return whether a GPU that answers is cut as the site file says."""
        if each.reading is None:
            return False
        return self._parts == 1 or (each.reading.slices is True and len(each.reading.mig_devices) == self._parts)

    def standings(self) -> tuple[GpuStanding, ...]:
        """Return the GPUs as last seen; none when that is too long ago."""
        try:
            return self._poller.latest(STALE_S) if self._poller else ()
        except TimeoutError:
            return ()

    @property
    def trouble(self) -> str:
        """Why the GPUs cannot be asked at all."""
        return self._poller.trouble if self._poller else ""

    def draw_w(self) -> float | None:
        """Return the draw of all GPUs, W; none where one does not tell."""
        draws = [each.reading.power_w if each.reading else None for each in self.standings()]
        known = [draw for draw in draws if draw is not None]
        return sum(known) if known and len(known) == self._count else None

    def limit_w(self) -> float | None:
        """Return the largest limit in force, W; of GPUs that are cut, a part's share of it."""
        most_w = max((each.reading.enforced_w for each in self.standings() if each.reading), default=None)
        return None if most_w is None else most_w / self._parts

    def ok(self) -> int:
        """Return how many GPUs, or parts, do work."""
        return self._parts * sum(self._cut(each) for each in self.standings())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what does not stand as it was ordered; a change by somebody else is told once."""
        if self.trouble:
            return (self._outcome("gpus", 0.0, None, Verdict.STALE, self.trouble),)
        found = [outcome for each in self.standings() if (outcome := self._judged(each)) is not None]
        found += [outcome for each in self.standings() if (outcome := self._cut_wrong(each)) is not None]
        external = sum(each.external for each in self.standings())
        if external > self._external:
            text = f"somebody else set it; set back, {external} times so far"
            found.append(self._outcome("limit", self.limit_w() or 0.0, None, Verdict.EXTERNAL, text))
        self._external = max(external, self._external)
        return tuple(found)

    def _cut_wrong(self, each: GpuStanding) -> Outcome | None:
        """Return what to say of a GPU that is not cut as the site file says."""
        if each.reading is None or (self._cut(each) and (self._parts > 1 or not each.reading.slices)):
            return None
        number, told = len(each.reading.mig_devices), self._parts
        has = f"has {number} MIG devices" if each.reading.slices else "has MIG off"
        mend = "cut it so (nvidia-smi mig)" if told > 1 else "switch MIG off (nvidia-smi -mig 0)"
        text = f"it {has}, the site file says pools: mig_parts {told}; {mend} or correct the file"
        return self._outcome(f"gpu {each.index} parts", float(told), float(number), Verdict.REFUSED, text)

    def _judged(self, each: GpuStanding) -> Outcome | None:
        what, enforced_w = f"gpu {each.index} limit", each.reading.enforced_w if each.reading else None
        match each.outcome:
            case None | Applied():
                return None
            case PartlyApplied(reason=reason):
                return self._outcome(what, each.asked_w, enforced_w, Verdict.EXTERNAL, reason)
            case Refused(reason=reason):
                return self._outcome(what, each.asked_w, enforced_w, Verdict.REFUSED, reason)
            case Failed(reason=reason):
                return self._outcome(what, each.asked_w, None, Verdict.STALE, reason)

    def _outcome(self, what: str, asked_w: float, found_w: float | None, verdict: Verdict, text: str) -> Outcome:
        return Outcome(device=self.pool, what=what, asked=asked_w, found=found_w, verdict=verdict, text=text)

    def close(self) -> None:
        """Leave every GPU at the safe cap, as far as the driver answers in time."""
        if self._poller is None or self._keeper is None:
            return
        self._poller.close()
        line = Deadline(f"gpus {self.pool}")
        try:
            line.call(self._keeper.leave, LEAVE_S)
        except TimeoutError:
            return
        finally:
            line.close()
