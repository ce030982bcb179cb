"""A host on which Slurm runs jobs and whose power is not Slurm's: drained before it goes off, used again when it is up.

The drain carries a reason of its own. A drain with another reason is a person's, and stays.
"""

from __future__ import annotations

from controller.devices.nodes.slurm_power import Run, run_command

REASON = "mdc power"
"""Reason of our own drains."""
DRAINED = frozenset({"drain", "draining", "drained"})
EMPTY = frozenset({"idle", "down", "drained", "unknown"})


class SlurmDrain:
    """Drains nodes by ``scontrol`` and tells its own drains from others'."""

    def __init__(self, run: Run = run_command) -> None:
        self._run = run

    def emptied(self, host: str) -> bool:
        """Have no new job start on a host; returns whether none is left on it.

        Raises:
            NodeLostError: Slurm does not answer.
            NodeRefusedError: it knows no such node, or this user may not.
        """
        flags = self._flags(host)
        if not flags & DRAINED:
            self._run(["scontrol", "update", f"NodeName={host}", "State=DRAIN", f"Reason={REASON}"])
            flags = self._flags(host)
        return bool(flags & DRAINED) and bool(flags & EMPTY)

    def lift(self, host: str) -> None:
        """Let jobs start on a host again, if the drain is our own.

        Raises:
            NodeLostError: Slurm does not answer.
            NodeRefusedError: this user may not.
        """
        if self._flags(host) & DRAINED and self._told(host, "Reason").startswith(REASON):
            self._run(["scontrol", "update", f"NodeName={host}", "State=RESUME"])

    def _flags(self, host: str) -> frozenset[str]:
        return frozenset(self._told(host, "StateComplete").lower().split("+"))

    def _told(self, host: str, what: str) -> str:
        text = self._run(["sinfo", "--noheader", "--nodes", host, "--Format", f"{what}:80"]).strip()
        return text.splitlines()[0].strip() if text else ""
