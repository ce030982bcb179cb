"""A host by Slurm's power saving: ``scontrol update State=POWER_UP`` and ``POWER_DOWN_ASAP`` (Slurm 22.05 and newer).

Slurm drains a node before it powers it down, and runs the site's own ResumeProgram and SuspendProgram.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

from controller.devices.nodes.switch import NodeLostError, NodeRefusedError, Power

Run = Callable[[Sequence[str]], str]


def run_command(command: Sequence[str], timeout_s: float = 10.0) -> str:
    """Return what a command prints.

    Raises:
        NodeLostError: it is not there or does not end in time.
        NodeRefusedError: it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeLostError(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise NodeRefusedError(f"{' '.join(command)}: {done.stderr.strip()[:200]}")
    return done.stdout


class SlurmNode:
    """Driver of one host."""

    def __init__(self, name: str, run: Run = run_command) -> None:
        self.name, self._run = name, run

    def power(self) -> Power:
        text = self._run(["sinfo", "--noheader", "--nodes", self.name, "--Format", "StateComplete:80"]).strip().lower()
        flags = set(text.splitlines()[0].strip().split("+")) if text else set()
        if not flags:
            raise NodeLostError(f"Slurm knows no node {self.name}")
        if flags & {"powering_up", "powered_up_pending"}:
            return Power.BOOTING
        if flags & {"powering_down", "power_down"}:
            return Power.STOPPING
        return Power.OFF if flags & {"powered_down"} else Power.ON

    def turn_on(self) -> None:
        if self.power() in (Power.OFF, Power.STOPPING):
            self._update("POWER_UP")

    def turn_off(self, *, force: bool = False) -> None:
        if self.power() in (Power.ON, Power.BOOTING):
            self._update("POWER_DOWN_FORCE" if force else "POWER_DOWN_ASAP")

    def _update(self, state: str) -> None:
        self._run(["scontrol", "update", f"NodeName={self.name}", f"State={state}"])
