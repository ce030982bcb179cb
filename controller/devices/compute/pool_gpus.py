"""The GPUs of one pool on this host: kept at their limits by a thread, told to the control cycle at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from controller.devices.compute.gpu_keeper import GpuKeeper, GpuStanding
from controller.devices.compute.gpu_power import Applied, Failed, GpuPower, PartlyApplied, Refused
from controller.devices.compute.placement import Layout, Want, limits_w, placed
from controller.devices.off_thread import Deadline, Poller
from controller.setpoints import Outcome, Verdict

LEAVE_S = 5.0
STALE_S = 10.0


class PoolGpus:
    """One pool of ``count`` GPUs; they are opened on the thread, again and again until their driver answers."""

    def __init__(
        self,
        pool: str,
        open_gpus: Callable[[], Sequence[GpuPower]],
        *,
        count: int,
        safe_limit_w: float | None,
        period_s: float = 1.0,
        layout: Layout = Layout(),  # noqa: B008
    ) -> None:
        """``layout`` says how the GPUs sit in nodes and islands, so that a plan's places can be followed."""
        self.pool, self._open, self._safe_w = pool, open_gpus, safe_limit_w
        self._layout = layout
        self._indices, self._period_s = tuple(range(count)), period_s
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

    def order(self, wants: Iterable[Want]) -> dict[str, tuple[int, ...]]:
        """Give GPUs and limits to who wants them; returns whose are which."""
        listed = tuple(wants)
        self._places = placed(listed, self._indices, self._places, self._layout)
        self._wanted = limits_w(listed, self._places)
        return self._places

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
        return sum(known) if known and len(known) == len(self._indices) else None

    def limit_w(self) -> float | None:
        """Return the largest limit in force, W."""
        return max((each.reading.enforced_w for each in self.standings() if each.reading), default=None)

    def ok(self) -> int:
        """Return how many GPUs do work."""
        return sum(not each.lost for each in self.standings())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what does not stand as it was ordered; a change by somebody else is told once."""
        if self.trouble:
            return (self._outcome("gpus", 0.0, None, Verdict.STALE, self.trouble),)
        found = [outcome for each in self.standings() if (outcome := self._judged(each)) is not None]
        external = sum(each.external for each in self.standings())
        if external > self._external:
            text = f"somebody else set it; set back, {external} times so far"
            found.append(self._outcome("limit", self.limit_w() or 0.0, None, Verdict.EXTERNAL, text))
        self._external = max(external, self._external)
        return tuple(found)

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
