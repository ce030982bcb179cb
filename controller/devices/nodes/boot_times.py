"""How long hosts take to boot: learned from each boot that was seen from its start to its end, and kept in a file.

The median of the last boots of a host; while none was seen, of its pool; while none was seen there, what the site
file says. A boot that was not watched from its start teaches nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median

from pydantic import Field, ValidationError

from sites.record import Record

KEPT = 9
LONGEST_S = 3600.0
"""A boot that takes longer has failed and teaches nothing."""


class BootLog(Record):
    """What was learned."""

    seconds: dict[str, tuple[float, ...]] = Field(default={})
    """Last boots of each host, s."""


class BootTimes:
    """Boot times of a site's hosts."""

    def __init__(self, file: Path) -> None:
        """Read what was learned before; a file that cannot be read is as if there were none."""
        self._file = file
        try:
            self._log = BootLog.model_validate_json(file.read_text())
        except (OSError, ValidationError):
            self._log = BootLog()

    def learn(self, host: str, seconds: float) -> None:
        """Take a boot that was seen whole."""
        if not 0.0 < seconds <= LONGEST_S:
            return
        kept = (*self._log.seconds.get(host, ()), round(seconds, 1))[-KEPT:]
        self._log = BootLog(seconds={**self._log.seconds, host: kept})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._log.model_dump(mode="json"), indent=1))
        os.replace(new, self._file)

    def expected_s(self, host: str, pool: tuple[str, ...] = (), *, otherwise_s: float) -> float:
        """Return how long a host is expected to boot."""
        own = self._log.seconds.get(host, ())
        if own:
            return median(own)
        others = [each for name in pool for each in self._log.seconds.get(name, ())]
        return median(others) if others else otherwise_s
