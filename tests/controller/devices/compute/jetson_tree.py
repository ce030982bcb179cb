"""A made Jetson module: its power-mode file, its rails and the command that changes its mode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from controller.devices.compute.gpu_power import NoPermissionError
from controller.devices.compute.jetson import JetsonModule

CONF = """\
# a file in the form of /etc/nvpmodel.conf
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online

< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
GPU MAX_FREQ -1

< POWER_MODEL ID=1 NAME=MODE_15W >
CPU_ONLINE CORE_0 1
GPU MAX_FREQ 420750000
< POWER_MODEL ID=2 NAME=MODE_30W >
GPU MAX_FREQ 624750000
< POWER_MODEL ID=3 NAME=MODE_50W >
GPU MAX_FREQ 828750000
< PM_CONFIG DEFAULT=2 >
"""


class JetsonTree:
    """Files and a command as on a module."""

    def __init__(self, folder: Path, *, locked: bool = False, conf: str = CONF) -> None:
        self.conf, self.hwmon = folder / "nvpmodel.conf", folder / "hwmon"
        self.conf.write_text(conf)
        self.mode, self.locked, self.asked = 2, locked, []  # type: tuple[int, bool, list[list[str]]]
        self.needs_reboot = False
        self.rails(VDD_GPU_SOC=(5000.0, 1200.0), VDD_CPU_CV=(5000.0, 600.0))

    def rails(self, **millivolts_and_amperes: tuple[float, float]) -> None:
        """Set the rails: label to mV, mA."""
        place = self.hwmon / "hwmon3"
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        for number, (label, (millivolts, milliamperes)) in enumerate(millivolts_and_amperes.items(), start=1):
            (place / f"in{number}_label").write_text(label + "\n")
            (place / f"in{number}_input").write_text(f"{millivolts:g}\n")
            (place / f"curr{number}_input").write_text(f"{milliamperes:g}\n")

    def command(self, words: Sequence[str]) -> str:
        """Stand for nvpmodel."""
        self.asked.append(list(words))
        if words[1] == "-m":
            if self.locked:
                raise NoPermissionError("nvpmodel: permission denied")
            if not self.needs_reboot:
                self.mode = int(words[2])
        return f"NV Power Mode: ANY\n{self.mode}\n"

    def module(self, most_w: float = 60.0) -> JetsonModule:
        """Return the driver on this module."""
        return JetsonModule(most_w=most_w, conf=self.conf, hwmon=self.hwmon, ask=self.command)
