"""NVIDIA Jetson modules: power modes out of the module's own file, and measured rails.

A power mode is a set of clocks and cores, not a budget: the watts in its name are what NVIDIA expects, and the module may
draw more or less. So a limit asked for picks the highest mode whose draw is expected to stay below it: the most that was
measured in that mode since the start, else the watts in its name. A mode without watts (MAXN) is taken at the module's
most. What is *enforced* is that expectation; only the rails say what is drawn.

File: ``/etc/nvpmodel.conf``: blocks ``< POWER_MODEL ID=2 NAME=MODE_30W >`` with one clock or core a line, and
``< PM_CONFIG DEFAULT=2 >``. Rails: INA3221 monitors under ``/sys/class/hwmon``: ``inN_label``, ``inN_input`` [mV],
``currN_input`` [mA]. (NVIDIA, *Jetson Linux Developer Guide*, "Power Management"; Linux kernel, ``hwmon/ina3221``.)
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.devices.compute.gpu_power import (
    Applied,
    Failed,
    GpuLostError,
    GpuPowerError,
    GpuReading,
    LimitOutcome,
    LimitRange,
    NoPermissionError,
    PartlyApplied,
    Refused,
    outside,
)

CONF = Path("/etc/nvpmodel.conf")
HWMON = Path("/sys/class/hwmon")
WHOLE_MODULE = ("VDD_IN", "VIN_SYS_5V0", "POM_5V_IN")
"""Rails that feed the whole module; where there is one, the others are parts of it."""
TIMEOUT_S = 15.0

_BLOCK = re.compile(r"<\s*(?P<kind>[A-Z_]+)(?P<fields>[^>]*)>")
_FIELD = re.compile(r"(\w+)\s*=\s*(\S+)")
_WATTS = re.compile(r"(\d+)\s*W", re.IGNORECASE)

Ask = Callable[[Sequence[str]], str]
"""Runs a command and returns what it printed."""


class PowerMode(NamedTuple):
    """A set of clocks and cores under a number."""

    id: int
    name: str
    settings: tuple[tuple[str, str], ...]
    """What the block sets, e.g. ``("GPU MAX_FREQ", "-1")``."""

    @property
    def nominal_w(self) -> float | None:
        """Watts in its name; none where the name has none."""
        found = _WATTS.search(self.name)
        return float(found[1]) if found else None


class ModeFile(NamedTuple):
    """The power modes of a module."""

    modes: tuple[PowerMode, ...]
    default_id: int


def read_modes(path: Path) -> ModeFile:
    """Return the modes of a module.

    Raises:
        GpuPowerError: no such file, or no modes in it.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise GpuPowerError(f"{path}: {error.strerror}; is this a Jetson module?") from None
    modes: list[PowerMode] = []
    default_id: int | None = None
    for line in (raw.split("#")[0].strip() for raw in text.splitlines()):
        block = _BLOCK.fullmatch(line)
        if block:
            fields = dict(_FIELD.findall(block["fields"]))
            if block["kind"] == "POWER_MODEL" and fields.get("ID", "").isdigit():
                modes.append(PowerMode(int(fields["ID"]), fields.get("NAME", ""), ()))
            elif block["kind"] == "PM_CONFIG" and fields.get("DEFAULT", "").isdigit():
                default_id = int(fields["DEFAULT"])
        elif line and not line.startswith("<") and modes:
            key, _, value = line.rpartition(" ")
            modes[-1] = modes[-1]._replace(settings=(*modes[-1].settings, (key.strip(), value)))
    if not modes:
        raise GpuPowerError(f"{path}: no POWER_MODEL block; give the module's nvpmodel.conf")
    known = {mode.id for mode in modes}
    return ModeFile(tuple(modes), default_id if default_id in known else modes[0].id)


def read_rails_w(hwmon: Path) -> dict[str, float]:
    """Return the power of each labelled rail, W; rails that do not answer are left out."""
    rails: dict[str, float] = {}
    for label in sorted(hwmon.glob("hwmon*/in*_label")):
        number = label.name.removeprefix("in").removesuffix("_label")
        try:
            millivolts = float((label.parent / f"in{number}_input").read_text())
            milliamperes = float((label.parent / f"curr{number}_input").read_text())
            rails[label.read_text().strip()] = millivolts * milliamperes / 1e6
        except (OSError, ValueError):
            continue
    return rails


def module_w(rails_w: dict[str, float]) -> float | None:
    """Return the draw of the module out of its rails, W: its input, else the sum of all."""
    for name in WHOLE_MODULE:
        if name in rails_w:
            return rails_w[name]
    return sum(rails_w.values()) if rails_w else None


def asked(command: Sequence[str]) -> str:
    """Run a command of the module and return what it printed.

    Raises:
        GpuPowerError: it is not there, fails or hangs.
    """
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise GpuLostError(f"{command[0]} is not here; is this a Jetson module?") from None
    except subprocess.TimeoutExpired:
        raise GpuLostError(f"{command[0]} does not answer within {TIMEOUT_S:g} s") from None
    if ran.returncode != 0:
        text = (ran.stderr or ran.stdout).strip()[-160:]
        kind = NoPermissionError if "permission" in text.lower() or "root" in text.lower() else GpuPowerError
        raise kind(f"{' '.join(command)}: {text or ran.returncode}")
    return ran.stdout


class JetsonModule:
    """One module as a GPU whose limit is a power mode. ``most_w`` is what the module draws in a mode without watts."""

    def __init__(self, *, most_w: float, conf: Path = CONF, hwmon: Path = HWMON, ask: Ask = asked) -> None:
        self._file, self._hwmon, self._ask, self._most_w = read_modes(conf), hwmon, ask, most_w
        self._seen_w: dict[int, float] = {}

    def name(self) -> str:
        return f"Jetson module with {len(self._file.modes)} power modes"

    @property
    def modes(self) -> tuple[PowerMode, ...]:
        """The modes, as the module's file lists them."""
        return self._file.modes

    def expected_w(self, mode: PowerMode) -> float:
        """Return what a mode is expected to draw at most: measured, or what its name says."""
        said_w = mode.nominal_w if mode.nominal_w is not None else self._most_w
        return max(self._seen_w.get(mode.id, said_w), said_w)

    def mode(self) -> PowerMode:
        """Return the mode in force."""
        numbers = [int(line) for line in self._ask(["nvpmodel", "-q"]).split() if line.isdigit()]
        found = next((mode for mode in self._file.modes if numbers and mode.id == numbers[-1]), None)
        if found is None:
            raise GpuPowerError(f"nvpmodel tells mode {numbers[-1:] or 'none'}, which its file does not have")
        return found

    def limit_range(self) -> LimitRange:
        watts = [self.expected_w(mode) for mode in self._file.modes]
        default = next(mode for mode in self._file.modes if mode.id == self._file.default_id)
        return LimitRange(min_w=min(watts), default_w=self.expected_w(default), max_w=max(*watts, self._most_w))

    def enforced_limit_w(self) -> float:
        return self.expected_w(self.mode())

    def power_w(self) -> float:
        power_w = module_w(read_rails_w(self._hwmon))
        if power_w is None:
            raise GpuPowerError(f"no rail is measured under {self._hwmon}")
        return power_w

    def reading(self) -> GpuReading:
        mode, power_w = self.mode(), module_w(read_rails_w(self._hwmon))
        said_w = self.expected_w(mode)
        if power_w is not None:
            self._seen_w[mode.id] = max(self._seen_w.get(mode.id, 0.0), power_w)
        return GpuReading(enforced_w=said_w, power_w=power_w, persistent=True)

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        refused = outside(limit_w, self.limit_range())
        if refused is not None:
            return refused
        fits = [mode for mode in self._file.modes if self.expected_w(mode) <= limit_w]
        best = max(fits, key=lambda mode: (self.expected_w(mode), -mode.id))
        try:
            self._ask(["nvpmodel", "-m", str(best.id)])
            found = self.mode()
        except NoPermissionError as error:
            return Refused(reason=f"{error}; run as root or use the helper of mdc devices helper")
        except GpuPowerError as error:
            return Failed(reason=str(error))
        if found.id != best.id:
            reason = f"asked for mode {best.name}, {found.name} holds; a reboot may be due"
            return PartlyApplied(asked_w=limit_w, enforced_w=self.expected_w(found), reason=reason)
        enforced_w = self.expected_w(best)
        return Applied(enforced_w=enforced_w)

    def keep_settings(self) -> None:
        return

    def reopen(self) -> None:
        self.mode()
