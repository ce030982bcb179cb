"""A real Slurm of one node on loopback, in a folder of its own: munged, slurmctld, slurmd, no systemd, as root.

``python -m controller.devices.compute.bench.slurm_cluster`` starts one and says how to reach it; it ends with Ctrl-C.
GPUs are played by CPU cores of the node (``config_overrides`` lets it have more than the host). Settings are those under
which Slurm 22.05 runs without cgroups: ``proctrack/linuxproc``, ``task/none``, ``NoInAddrAny``, ``cred_expire=5``.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue")
NODE = "mdc-node"
START_S = 30.0
CONF = """\
ClusterName=mdc
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmctldParameters=enable_configless
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=2
MinJobAge=600
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
Licenses=watts:{watts}
NodeName={node} NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing_tools() -> tuple[str, ...]:
    """Return the programs that are not installed here (Debian: ``slurm-wlm munge``)."""
    return tuple(tool for tool in TOOLS if _tool(tool) is None)


class SlurmCluster:
    """Munged, slurmctld and slurmd of one node."""

    def __init__(self, folder: Path, *, cpus: int = 16, watts: int = 10_000) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        ctld_port, slurmd_port = _free_ports(2)
        host = socket.gethostname()
        self.conf.write_text(
            CONF.format(
                folder=folder,
                ctld_port=ctld_port,
                slurmd_port=slurmd_port,
                watts=watts,
                node=NODE,
                host=host,
                cpus=cpus,
            )
        )
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which Slurm's commands reach this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start all three and wait until the node is idle.

        Raises:
            RuntimeError: it does not come up; the tail of its logs is in the message.
        """
        self.start_munged()
        self.start_slurmctld()
        self.start_slurmd()
        self.wait_until_up()

    def start_munged(self) -> None:
        """Start the daemon that signs credentials."""
        folder = self.folder
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        self._spawn("munged", "--foreground", "--force", *files, f"--socket={folder}/munge.socket")
        self._wait(lambda: (folder / "munge.socket").exists(), "munged")

    def start_slurmctld(self) -> None:
        """Start the controller; it takes up what it saved."""
        self._spawn("slurmctld", "-D", "-f", str(self.conf))

    def start_slurmd(self) -> None:
        """Start the node."""
        self._spawn("slurmd", "-D", "-N", NODE, "-f", str(self.conf))

    def end(self, name: str, *, crash: bool = False) -> None:
        """End one daemon: as its service manager would, or by a crash that leaves it no time to save anything."""
        running = self._running.pop(name, None)
        if running is None:
            return
        running.send_signal(signal.SIGKILL if crash else signal.SIGTERM)
        try:
            running.wait(10.0)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(5.0)

    def wait_until_up(self) -> None:
        """Wait until the controller answers and the node takes work."""
        self._wait(lambda: self._node_state() in ("idle", "mixed", "allocated"), "slurmd")

    def _node_state(self) -> str:
        return self._asked("sinfo", "-h", "-o", "%T")

    def stop(self) -> None:
        """End everything: jobs, node, controller, credentials."""
        if "slurmctld" in self._running:
            self._end_jobs()
        for name in ("slurmd", "slurmctld", "munged"):
            self.end(name)

    def _end_jobs(self) -> None:
        """End all jobs, so that no process of theirs is left behind, stopped or not."""
        deadline_s = time.monotonic() + 10.0
        while time.monotonic() < deadline_s and self._asked("squeue", "-h", "-o", "%i"):
            self._asked("scancel", "--user=root")
            time.sleep(0.3)

    def _asked(self, *words: str) -> str:
        try:
            ran = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return ran.stdout.strip()

    def _spawn(self, tool: str, *arguments: str) -> None:
        path = _tool(tool)
        if path is None:
            raise RuntimeError(f"{tool} is not here; install it with: apt-get install slurm-wlm munge")
        with (self.folder / f"{tool}.out").open("ab") as out:
            self._running[tool] = subprocess.Popen(
                [path, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, ready: object, what: str) -> None:
        deadline_s = time.monotonic() + START_S
        while not ready():  # type: ignore[operator]
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{what} does not come up: {self._tails()}")
            time.sleep(0.1)

    def _tails(self) -> str:
        texts = [path.read_text(errors="replace")[-600:] for path in sorted(self.folder.glob("*.log"))]
        texts += [path.read_text(errors="replace")[-300:] for path in sorted(self.folder.glob("*.out"))]
        return "\n".join(text for text in texts if text)


def _tool(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def main() -> None:
    """Start a cluster and keep it until interrupted or terminated; nothing of it stays behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--cpus", type=int, default=16)
    parser.add_argument("--watts", type=int, default=10_000)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="mdc-slurm-"))
    cluster = SlurmCluster(folder, cpus=given.cpus, watts=given.watts)
    try:
        cluster.start()
        os.write(1, f"Slurm is up: export SLURM_CONF={cluster.conf}\nCtrl-C ends it\n".encode())
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
