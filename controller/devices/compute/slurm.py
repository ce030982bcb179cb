"""Jobs on Slurm, by its own commands.

A job is known by its name ``mdc-NAME`` and its comment ``mdc:SITE``; what others submit is left alone. It is submitted held,
with ``--requeue`` and a licence ``watts:W`` for what it may draw, so that Slurm itself never starts more than the power
budget: of the licences of ``slurm.conf`` (``Licenses=watts:TOTAL``) a reservation keeps back ``TOTAL - budget``, and is
changed as the plan changes, which needs no reconfiguration. Where the plan has a job on certain hosts, it is let go with these as
its required nodes. A job's own licence follows its power limit while it runs, and
is 1 W while it is suspended (Slurm lets suspended jobs keep theirs). States come from ``squeue`` in a format of its own, the same
from Slurm 20 on (its JSON changes from version to version). A job that slurmctld has forgotten is known by the exit code in its
folder. Sources: Slurm documentation, *squeue*, *scontrol* (create reservation), *Licenses Guide*.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import RunnerError, RunnerJob, RunnerRefusedError, RunState

LOG = logging.getLogger(__name__)
TIMEOUT_S = 10.0
PREFIX, RESERVATION = "mdc-", "mdc_watts"
FORMAT = "%i|%j|%T|%r|%M|%k"
STATES = {
    "PENDING": RunState.PENDING,
    "CONFIGURING": RunState.PENDING,
    "REQUEUED": RunState.PENDING,
    "REQUEUE_HOLD": RunState.HELD,
    "SPECIAL_EXIT": RunState.HELD,
    "REQUEUE_FED": RunState.PENDING,
    "RUNNING": RunState.RUNNING,
    "COMPLETING": RunState.RUNNING,
    "SIGNALING": RunState.RUNNING,
    "STAGE_OUT": RunState.RUNNING,
    "SUSPENDED": RunState.SUSPENDED,
    "STOPPED": RunState.SUSPENDED,
    "COMPLETED": RunState.DONE,
}
"""Slurm's words for our states; all others are ways to fail."""
SILENT = ("contact", "connection", "timed out", "communication")
"""Words of a command that did not reach slurmctld."""
WAITING = {RunState.HELD, RunState.PENDING, RunState.RUNNING, RunState.SUSPENDED}


class SlurmRow(NamedTuple):
    """A line of ``squeue``."""

    id: int
    name: str
    state: RunState
    why: str
    run_s: float


class SlurmRunner:
    """Jobs of one site on one cluster. ``environment`` replaces this process's, e.g. for another ``SLURM_CONF``."""

    def __init__(
        self,
        site: str,
        spool: Path,
        *,
        environment: Mapping[str, str] | None = None,
        partition: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._site, self._spool, self._partition, self._timeout_s = site, spool, partition, timeout_s
        self._environment = dict(os.environ if environment is None else environment)
        self._ids: dict[str, int] = {}
        self._asked: dict[str, tuple[str, ...]] = {}
        """Hosts that each job was last asked for."""
        self._budget: float | None = None

    def jobs(self) -> Mapping[str, RunnerJob]:
        rows: dict[str, SlurmRow] = {}
        text = self._run("squeue", "--noheader", "--states=all", f"--format={FORMAT}")
        for row in sorted(parsed(text, self._site), key=lambda row: row.id):
            known = rows.get(row.name)
            if known is None or known.state not in WAITING:
                rows[row.name] = row
            elif row.state in WAITING:
                self._run("scancel", str(row.id))  # submitted twice: the older one is the job
        self._ids = {name: row.id for name, row in rows.items()}
        found = {name: RunnerJob(name, row.state, row.run_s, row.why) for name, row in rows.items()}
        return {**self._remembered(found), **found}

    def _remembered(self, found: Mapping[str, RunnerJob]) -> dict[str, RunnerJob]:
        """Return jobs that have ended and that Slurm no longer lists."""
        over: dict[str, RunnerJob] = {}
        for path in self._spool.glob("*/exit"):
            name = path.parent.name
            code = JobFolder(self._spool, name).exit_code if name not in found else None
            if code is not None:
                state = RunState.DONE if code == 0 else RunState.FAILED
                over[name] = RunnerJob(name, state, 0.0, f"exit code {code}" if code else "")
        return over

    def submit(self, ticket: JobTicket) -> None:
        folder = JobFolder(self._spool, ticket.name)
        wrapper = folder.prepare(ticket)
        words = [
            f"--job-name={PREFIX}{ticket.name}",
            f"--comment=mdc:{self._site}",
            f"--licenses=watts:{ticket.watts}",
            f"--ntasks={ticket.gpus}",
            f"--chdir={folder.path}",
            f"--output={folder.path}/slurm-output",
            "--open-mode=append",
            "--hold",
            "--requeue",
            "--parsable",
        ]
        if self._partition:
            words.append(f"--partition={self._partition}")
        said = self._run("sbatch", *words, str(wrapper)).strip().split(";")[0]
        self._asked.pop(ticket.name, None)
        if said.isdigit():
            self._ids[ticket.name] = int(said)

    def release(self, name: str, watts: int, nodes: Sequence[str] = ()) -> None:
        self.set_watts(name, watts)
        self._ask_for(name, tuple(nodes))
        self._run("scontrol", "release", self._id(name))

    def _ask_for(self, name: str, nodes: tuple[str, ...]) -> None:
        """Ask for the plan's hosts; where Slurm has not these, the job runs where Slurm likes."""
        if nodes == self._asked.get(name, ()):
            return
        try:
            self._run("scontrol", "update", f"jobid={self._id(name)}", f"reqnodelist={','.join(nodes)}")
            self._asked[name] = nodes
        except RunnerRefusedError as error:
            LOG.warning("%s runs where Slurm likes, not on %s: %s", name, ", ".join(nodes), error)

    def set_watts(self, name: str, watts: int) -> None:
        self._run("scontrol", "update", f"jobid={self._id(name)}", f"licenses=watts:{watts}")

    def hold(self, name: str) -> None:
        self._run("scontrol", "hold", self._id(name))

    def suspend(self, name: str) -> None:
        self._run("scontrol", "suspend", self._id(name))

    def resume(self, name: str) -> None:
        self._run("scontrol", "resume", self._id(name))

    def checkpoint(self, name: str) -> None:
        self._run("scancel", "--signal=USR1", "--full", self._id(name))

    def requeue(self, name: str) -> None:
        self._run("scontrol", "requeuehold", self._id(name))

    def cancel(self, name: str) -> None:
        known = self._ids.get(name)
        if known is not None:
            self._run("scancel", str(known))
        JobFolder(self._spool, name).put_away()

    def set_budget(self, watts: float | None) -> None:
        """Keep back the licences beyond the budget.

        Raises:
            RunnerError: Slurm has no licence ``watts``, or does not let this user make a reservation.
        """
        if watts == self._budget:
            return
        total = self._total_watts()
        held_back = 0 if watts is None else max(total - max(round(watts), 0), 0)
        there = f"ReservationName={RESERVATION} " in self._run("scontrol", "--oneliner", "show", "reservation")
        if held_back == 0:
            if there:
                self._run("scontrol", "delete", f"reservationname={RESERVATION}")
        else:
            change = [f"reservationname={RESERVATION}", f"licenses=watts:{held_back}"]
            new = ["starttime=now", "duration=infinite", "user=root", "flags=license_only"]
            self._run(
                "scontrol",
                "update" if there else "create",
                *([] if there else ["reservation"]),
                *change,
                *([] if there else new),
            )
        self._budget = watts

    def _total_watts(self) -> int:
        said = self._run("scontrol", "--oneliner", "show", "licenses", "watts")
        fields = dict(word.partition("=")[::2] for word in said.split())
        if not fields.get("Total", "").isdigit():
            raise RunnerError("Slurm has no licence watts; add Licenses=watts:N to slurm.conf")
        return int(fields["Total"])

    def _id(self, name: str) -> str:
        known = self._ids.get(name)
        if known is None:
            raise RunnerRefusedError(f"Slurm knows no job {name}")
        return str(known)

    def _run(self, *words: str) -> str:
        try:
            ran = subprocess.run(
                words,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunnerError(f"{words[0]} does not answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise RunnerError(f"{words[0]}: {error.strerror}; install Slurm's commands") from None
        if ran.returncode != 0:
            said = (ran.stderr or ran.stdout).strip()[-200:] or str(ran.returncode)
            silent = words[0] == "squeue" or any(word in said.lower() for word in SILENT)
            raise (RunnerError if silent else RunnerRefusedError)(f"{' '.join(words[:2])}: {said}")
        return ran.stdout


def parsed(text: str, site: str) -> list[SlurmRow]:
    """Return the rows of this site's jobs out of what ``squeue`` printed; lines of another shape are passed over."""
    rows = []
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != 6 or fields[5] != f"mdc:{site}" or not fields[0].isdigit():
            continue
        if not fields[1].startswith(PREFIX):
            continue
        state = STATES.get(fields[2], RunState.FAILED)
        held = "held" in fields[3].lower()
        why = fields[2] if state is RunState.FAILED else fields[3]
        rows.append(
            SlurmRow(
                int(fields[0]),
                fields[1].removeprefix(PREFIX),
                RunState.HELD if state is RunState.PENDING and held else state,
                "" if why == "None" else why,
                elapsed_s(fields[4]),
            )
        )
    return rows


def elapsed_s(text: str) -> float:
    """Return Slurm's ``[[days-]hours:]minutes:seconds`` in seconds; 0 for what is none."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or not (days.isdigit() or not days):
        return 0.0
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return float(seconds + 86400 * int(days or 0))
