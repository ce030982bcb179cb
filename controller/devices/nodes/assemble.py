"""From a site file to keepers of hosts, and the thread that works for them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from controller.devices.nodes.boot_times import BootTimes
from controller.devices.nodes.keeper import PoolKeeper
from controller.devices.nodes.outlet import OutletNode, answers_on
from controller.devices.nodes.redfish import RedfishNode
from controller.devices.nodes.slurm_drain import SlurmDrain
from controller.devices.nodes.slurm_power import SlurmNode
from controller.devices.nodes.switch import NodeSwitch
from controller.devices.power.driver import PowerDevice
from controller.setpoints import Setpoints
from controller.snapshot import PoolReading
from sites.schema.equipment import Node
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
PERIOD_S = 5.0


def make_switch(node: Node, pdus: Mapping[str, PowerDevice]) -> NodeSwitch:
    """Return the driver of one host."""
    if node.driver == "slurm":
        return SlurmNode(node.in_slurm)
    if node.driver == "outlet":
        host, _, port = node.answers.partition(":")
        asked = answers_on(host, int(port)) if port else (lambda: True)
        return OutletNode(node.name, pdus[node.pdu], node.outlet, asked)
    password = os.environ.get(node.password_env, "") if node.password_env else ""
    return RedfishNode(
        node.name, node.address, system=node.system, user=node.user, password=password, verify=node.verify
    )


class SiteNodes:
    """All hosts that can be switched, in one thread. The control cycle leaves what is wanted and reads what is known."""

    def __init__(self, site: Site, pdus: Mapping[str, PowerDevice], boots: BootTimes) -> None:
        self._site, self._boots = site, boots
        self._gpus_used: dict[str, float] = {}
        on_slurm = site.devices.compute.jobs.driver == "slurm"
        self._in_slurm = {
            node.name: node.in_slurm for node in site.devices.nodes if on_slurm and node.driver != "slurm"
        }
        """Hosts that Slurm runs jobs on and somebody else powers, with their names there: it has to be told."""
        self._drain = SlurmDrain()
        self.keepers = {
            pool.name: PoolKeeper(
                [make_switch(node, pdus) for node in site.devices.nodes if node.pool == pool.name],
                boots,
                boot_s=pool.boot_minutes * 60.0,
                monotonic_s=time.monotonic,
                drained=lambda name, pool=pool.name: self._drained(pool, name),  # type: ignore[misc]
                used_again=self._used_again,
            )
            for pool in site.pools
            if any(node.pool == pool.name for node in site.devices.nodes)
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nodes", daemon=True)

    def start(self) -> None:
        """Begin to look after the hosts."""
        self._thread.start()

    def close(self) -> None:
        """Leave every host as it is."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            for name, keeper in self.keepers.items():
                try:
                    keeper.turn()
                except Exception:
                    LOG.exception("hosts of %s", name)

    def write(self, setpoints: Setpoints) -> None:
        """Leave how many hosts of each pool are wanted; without a word all are."""
        used = dict.fromkeys(self.keepers, 0.0)
        for order in setpoints.jobs:
            used[order.pool] = used.get(order.pool, 0.0) + order.gpus
        for service in setpoints.services:
            used[service.mode.pool] = used.get(service.mode.pool, 0.0) + service.mode.gpus
        self._gpus_used = used
        for name, keeper in self.keepers.items():
            keeper.wanted = len(keeper.hosts) if setpoints.nodes_on is None else setpoints.nodes_on.get(name)

    def _drained(self, pool: str, host: str) -> bool:
        """Return whether the work that is ordered fits on the hosts that stay, and Slurm has emptied this one."""
        described = next(each for each in self._site.pools if each.name == pool)
        wanted = self.keepers[pool].wanted
        fits = wanted is not None and self._gpus_used.get(pool, 0.0) <= wanted * described.node_gpus
        return fits and (host not in self._in_slurm or self._drain.emptied(self._in_slurm[host]))

    def _used_again(self, host: str) -> None:
        if host in self._in_slurm:
            self._drain.lift(self._in_slurm[host])

    def corrected(self, reading: PoolReading) -> PoolReading:
        """Return a pool's reading with what is known of its hosts."""
        keeper = self.keepers.get(reading.name)
        if keeper is None:
            return reading
        described = next(each for each in self._site.pools if each.name == reading.name)
        gpus_ok = min(reading.gpus_ok, keeper.ready * described.node_gpus)
        return reading.model_copy(
            update={"gpus_ok": gpus_ok, "nodes_on": keeper.powered, "boot_s": keeper.slowest_boot_s}
        )


def make_nodes(site: Site, pdus: Mapping[str, PowerDevice], folder: Path) -> SiteNodes | None:
    """Return the site's hosts; none when none can be switched. Boot times are kept in ``folder``."""
    if not site.devices.nodes:
        return None
    return SiteNodes(site, pdus, BootTimes(folder / f"{site.name}.boots.json"))
