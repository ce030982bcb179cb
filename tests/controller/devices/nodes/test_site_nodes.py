"""Hosts of a site file: made by their drivers, told what a cycle wants, and what that leaves of a pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.devices.nodes.assemble import SiteNodes, make_nodes, make_switch
from controller.devices.nodes.bench.redfish_server import RedfishServer
from controller.devices.nodes.outlet import OutletNode
from controller.devices.nodes.slurm_drain import SlurmDrain
from controller.devices.nodes.slurm_power import SlurmNode
from controller.devices.nodes.switch import Power, TwinNode
from controller.devices.power.twin import TwinDevice
from controller.setpoints import JobCommand, Setpoints
from controller.snapshot import PoolReading
from sites.errors import InputError
from sites.load import find_site, parse_site
from sites.schema.equipment import Node
from tests.controller.daemon.prepared import SITE, START
from tests.controller.devices.power.bench_site import EQUIPMENT, loaded_bench

NAMES = [f"h100-{n}" for n in range(1, 9)]


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteNodes]:
    monkeypatch.setenv("BMC_PASSWORD", "secret")
    hosts = {name: TwinNode(name, lambda: 0.0, boot_s=0.0, stop_s=0.0) for name in NAMES}
    server = RedfishServer(hosts, user="mdc", password="secret")
    listed = tuple(
        Node(
            name=name,
            pool="h100",
            driver="redfish",
            address=server.address,
            system=name,
            user="mdc",
            password_env="BMC_PASSWORD",
        )
        for name in NAMES
    )
    site = SITE.model_copy(update={"devices": SITE.devices.model_copy(update={"nodes": listed})})
    made = make_nodes(site, {}, tmp_path)
    assert made is not None
    made.keepers["h100"]._stagger_s = 0.0
    yield made
    made.close()
    server.close()


def setpoints(wanted: int | None, gpus: float = 0.0) -> Setpoints:
    job = JobCommand(name="a", pool="h100", gpus=gpus, limit_w=300.0)
    return Setpoints(
        at_utc=START,
        expires_utc=START,
        nodes_on=None if wanted is None else {"h100": wanted},
        jobs=(job,) if gpus else (),
    )


def test_a_pool_has_the_gpus_of_the_hosts_that_are_up(nodes: SiteNodes) -> None:
    keeper, reading = nodes.keepers["h100"], PoolReading(name="h100", gpus_ok=64, draw_kw=5.0, nodes_on=8)
    assert nodes.corrected(reading).boot_s == SITE.pools[0].boot_minutes * 60.0
    nodes.write(setpoints(3))
    for _ in range(3):
        keeper.turn()
    assert (keeper.ready, keeper.powered) == (3, 3)
    seen = nodes.corrected(reading)
    assert (seen.gpus_ok, seen.nodes_on, seen.draw_kw) == (24, 3, 5.0)
    nodes._boots.learn("h100-4", 777.0)
    assert nodes.corrected(reading).boot_s == 777.0
    other = PoolReading(name="l40s", gpus_ok=64, draw_kw=1.0)
    assert nodes.corrected(other) == other


def test_no_host_goes_off_while_its_gpus_are_ordered_to_work(nodes: SiteNodes) -> None:
    keeper = nodes.keepers["h100"]
    nodes.write(setpoints(None))
    keeper.turn()
    keeper.turn()
    assert keeper.ready == 8
    nodes.write(setpoints(2, gpus=24.0))
    keeper.turn()
    keeper.turn()
    assert keeper.ready == 8
    nodes.write(setpoints(2, gpus=16.0))
    keeper.turn()
    keeper.turn()
    assert [host.power for host in keeper.hosts] == [Power.ON] * 2 + [Power.OFF] * 6


def test_slurm_is_told_of_hosts_whose_power_others_take(nodes: SiteNodes) -> None:
    said: list[str] = []

    class Told(SlurmDrain):
        """A Slurm whose jobs on the last host do not end at once."""

        busy = True

        def emptied(self, host: str) -> bool:
            said.append(f"drain {host}")
            return not (self.busy and host == "gpu08")

        def lift(self, host: str) -> None:
            said.append(f"lift {host}")

    nodes._in_slurm, nodes._drain = {name: f"gpu0{name[-1]}" for name in NAMES}, Told()
    keeper = nodes.keepers["h100"]
    for wanted in (None, None, 6, 6):
        nodes.write(setpoints(wanted))
        keeper.turn()
    assert [host.power for host in keeper.hosts] == [Power.ON] * 6 + [Power.OFF, Power.ON]
    Told.busy = False
    keeper.turn()
    keeper.turn()
    assert keeper.ready == 6
    said.clear()
    nodes.write(setpoints(8))
    for _ in range(3):
        keeper.turn()
    assert said == ["lift gpu07", "lift gpu08"]


def test_every_driver_of_a_site_file_is_made() -> None:
    pdu = TwinDevice("pdu", loaded_bench().faces(EQUIPMENT)["pdu"])
    slurm = make_switch(Node(name="a", pool="h100", driver="slurm"), {})
    renamed = make_switch(Node(name="a", pool="h100", driver="slurm", slurm_name="gpu01"), {})
    assert (slurm.name, renamed.name) == ("a", "gpu01")
    outlet = make_switch(Node(name="b", pool="h100", driver="outlet", pdu="pdu", outlet=4), {"pdu": pdu})
    assert isinstance(slurm, SlurmNode)
    assert isinstance(outlet, OutletNode)
    assert outlet.power() is Power.ON
    assert make_nodes(SITE, {}, Path()) is None


def test_what_is_wrong_with_hosts_in_a_site_file_is_told_at_once() -> None:
    document = yaml.safe_load(find_site("container").read_text())
    document["devices"] = {
        "nodes": [
            {"name": "a", "pool": "h100", "driver": "outlet", "pdu": "nowhere"},
            {"name": "a", "pool": "no-pool", "driver": "slurm"},
        ]
    }
    with pytest.raises(InputError) as caught:
        parse_site(yaml.safe_dump(document), source="s.yaml")
    told = [fault.mend for fault in caught.value.faults]
    assert sorted({fault.field for fault in caught.value.faults}) == ["devices.nodes", "devices.nodes[0].pdu"]
    assert any("8 nodes: list them all" in mend for mend in told)
    assert any("its own name" in mend for mend in told)
    for bad in ({"driver": "redfish"}, {"driver": "outlet"}):
        document["devices"] = {"nodes": [{"name": "a", "pool": "h100", **bad}]}
        with pytest.raises(InputError, match=r"BMC|PDU"):
            parse_site(yaml.safe_dump(document), source="s.yaml")
