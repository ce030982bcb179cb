"""Hosts off and on: one suite for the twin, Redfish over HTTP and a PDU outlet; boot times learned; a pool kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from controller.devices.nodes.bench.redfish_server import RedfishServer
from controller.devices.nodes.boot_times import KEPT, BootTimes
from controller.devices.nodes.keeper import SHUTDOWN_S, PoolKeeper
from controller.devices.nodes.outlet import OutletNode, answers_on
from controller.devices.nodes.redfish import RedfishNode
from controller.devices.nodes.slurm_power import SlurmNode, run_command
from controller.devices.nodes.switch import NodeLostError, NodeRefusedError, NodeSwitch, Power, TwinNode
from controller.devices.power.twin import TwinDevice, TwinFault
from tests.controller.devices.power.bench_site import EQUIPMENT, loaded_bench

BOOT_S, STOP_S = 300.0, 30.0


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Host:
    """A host, its clock, and what switches it."""

    def __init__(self, switch: NodeSwitch, twin: TwinNode, clock: Clock) -> None:
        self.switch, self.twin, self.clock = switch, twin, clock


@pytest.fixture(params=["twin", "redfish", "outlet"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    clock = Clock()
    twin = TwinNode("node-1", clock, boot_s=BOOT_S, stop_s=STOP_S)
    if request.param == "twin":
        yield Host(twin, twin, clock)
    elif request.param == "redfish":
        server = RedfishServer({"node-1": twin}, user="ana", password="secret")
        node = RedfishNode("node-1", server.address, user="ana", password="secret", timeout_s=1.0)
        yield Host(node, twin, clock)
        node.close()
        server.close()
    else:
        plant = loaded_bench()
        pdu = TwinDevice("pdu", plant.faces(EQUIPMENT)["pdu"])

        class Wired(OutletNode):
            """An outlet whose host is the twin."""

            def turn_on(self) -> None:
                super().turn_on()
                twin.turn_on()

            def turn_off(self, *, force: bool = False) -> None:
                if not force:
                    twin.turn_off()
                super().turn_off(force=force)
                twin.turn_off(force=True)

        node_on = Wired("node-1", pdu, 3, lambda: twin.power() is Power.ON)
        node_on.turn_off(force=True)
        yield Host(node_on, twin, clock)


def test_a_host_goes_on_boots_and_goes_off(host: Host) -> None:
    assert host.switch.power() is Power.OFF
    host.switch.turn_on()
    assert host.switch.power() is Power.BOOTING
    host.switch.turn_on()
    host.clock.s += BOOT_S
    assert host.switch.power() is Power.ON
    host.switch.turn_off()
    host.clock.s += STOP_S
    assert host.switch.power() is Power.OFF
    host.switch.turn_on()
    host.switch.turn_off(force=True)
    assert host.switch.power() is Power.OFF


@pytest.fixture
def redfish() -> Iterator[tuple[RedfishServer, RedfishNode, Clock]]:
    clock = Clock()
    server = RedfishServer({"node-1": TwinNode("node-1", clock)})
    node = RedfishNode("node-1", server.address, system="node-1", timeout_s=1.0)
    yield server, node, clock
    node.close()
    server.close()


def test_what_a_bmc_can_say_wrong(redfish: tuple[RedfishServer, RedfishNode, Clock]) -> None:
    server, node, _ = redfish
    with pytest.raises(NodeRefusedError, match="404"):
        RedfishNode("x", server.address, system="node-9").power()
    server.hosts["node-1"].deaf = True
    with pytest.raises(NodeRefusedError, match="takes no orders"):
        node.turn_on()
    server.broken = True
    with pytest.raises(NodeLostError, match="no JSON"):
        node.power()
    server.close()
    with pytest.raises(NodeLostError):
        node.power()


def test_a_bmc_that_wants_a_password_says_so() -> None:
    server = RedfishServer({"n": TwinNode("n", Clock())}, user="ana", password="secret")
    with pytest.raises(NodeRefusedError, match="does not let us in"):
        RedfishNode("n", server.address, user="ana", password="wrong").power()
    server.close()


def test_an_outlet_is_not_cut_under_a_running_host() -> None:
    pdu = TwinDevice("pdu", loaded_bench().faces(EQUIPMENT)["pdu"])
    node = OutletNode("n", pdu, 1)
    with pytest.raises(NodeRefusedError, match="shut it down first"):
        node.turn_off()
    pdu.fault = TwinFault.STUCK
    with pytest.raises(NodeRefusedError, match="stays on"):
        node.turn_off(force=True)
    pdu.fault = TwinFault.SILENT
    with pytest.raises(NodeLostError):
        node.power()
    assert not answers_on("127.0.0.1", 1, 0.2)()


def test_slurms_power_saving_is_read_and_ordered() -> None:
    told: list[str] = []
    states = {"sinfo": "IDLE+CLOUD+POWERED_DOWN"}

    def run(command: Sequence[str]) -> str:
        told.append(" ".join(command))
        return states[command[0]] if command[0] == "sinfo" else ""

    node = SlurmNode("n1", run)
    assert node.power() is Power.OFF
    node.turn_on()
    assert told[-1] == "scontrol update NodeName=n1 State=POWER_UP"
    for text, power in [
        ("MIXED+CLOUD+POWERING_UP", Power.BOOTING),
        ("IDLE+CLOUD", Power.ON),
        ("IDLE+CLOUD+POWERING_DOWN", Power.STOPPING),
    ]:
        states["sinfo"] = text
        assert node.power() is power
    states["sinfo"] = "IDLE"
    node.turn_off()
    assert told[-1].endswith("State=POWER_DOWN_ASAP")
    states["sinfo"] = ""
    with pytest.raises(NodeLostError, match="knows no node"):
        node.power()
    with pytest.raises(NodeLostError):
        run_command(["/no/such/command"])
    with pytest.raises(NodeRefusedError):
        run_command(["false"])


def test_boot_times_are_learned_and_outlive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "boots.json"
    boots = BootTimes(file)
    assert boots.expected_s("a", otherwise_s=300.0) == 300.0
    for seconds in (100.0, 200.0, 120.0, -5.0, 9e9):
        boots.learn("a", seconds)
    again = BootTimes(file)
    assert again.expected_s("a", otherwise_s=300.0) == 120.0
    assert again.expected_s("b", ("a", "b"), otherwise_s=300.0) == 120.0
    for _ in range(2 * KEPT):
        again.learn("a", 50.0)
    assert again.expected_s("a", otherwise_s=300.0) == 50.0
    file.write_text("{broken")
    assert BootTimes(file).expected_s("a", otherwise_s=300.0) == 300.0


class Pool:
    """Three hosts under a keeper."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.twins = [TwinNode(f"n{i}", self.clock, boot_s=100.0 + 10 * i, stop_s=STOP_S) for i in range(3)]
        self.busy: set[str] = set()
        self.file = folder / "boots.json"
        self.keeper = PoolKeeper(
            self.twins,
            BootTimes(self.file),
            boot_s=300.0,
            monotonic_s=self.clock,
            drained=lambda name: name not in self.busy,
            stagger_s=20.0,
        )

    def live(self, seconds: float, step_s: float = 5.0) -> list[str]:
        seen = []
        for _ in range(int(seconds / step_s)):
            self.keeper.turn()
            seen.append("".join(str(host.power)[0] if host.power else "?" for host in self.keeper.hosts))
            self.clock.s += step_s
        return seen


def test_hosts_go_on_staggered_and_their_boots_are_learned(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    pool.keeper.wanted = 3
    pool.live(300.0)
    assert (pool.keeper.ready, pool.keeper.powered) == (3, 3)
    starts = [twin._since_s for twin in pool.twins]
    assert [b - a for a, b in pairwise(starts)] == [20.0, 20.0]
    learned = BootTimes(pool.file)
    assert [learned.expected_s(f"n{i}", otherwise_s=0.0) for i in range(3)] == [100.0, 110.0, 120.0]


def test_hosts_go_off_from_the_end_and_only_when_drained(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    pool.keeper.wanted = 3
    pool.live(300.0)
    pool.busy = {"n2"}
    pool.keeper.wanted = 1
    pool.live(60.0)
    assert [host.power for host in pool.keeper.hosts] == [Power.ON, Power.OFF, Power.ON]
    pool.busy = set()
    pool.live(60.0)
    assert [host.power for host in pool.keeper.hosts] == [Power.ON, Power.OFF, Power.OFF]


def test_a_shutdown_that_hangs_is_forced_in_time(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    pool.keeper.wanted = 1
    pool.live(200.0)
    pool.twins[0].hangs = True
    pool.keeper.wanted = 0
    pool.live(SHUTDOWN_S - 10.0)
    assert pool.keeper.hosts[0].power is Power.STOPPING
    pool.live(30.0)
    assert pool.keeper.hosts[0].power is Power.OFF


def test_a_host_that_is_silent_is_not_known_and_holds_nobody_back(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    pool.twins[0].silent = True
    pool.twins[1].deaf = True
    pool.keeper.wanted = 3
    pool.live(300.0)
    assert [host.power for host in pool.keeper.hosts] == [None, Power.OFF, Power.ON]
    assert pool.keeper.powered == 2
    assert "does not answer" in pool.keeper.hosts[0].trouble
    assert "takes no orders" in pool.keeper.hosts[1].trouble


def test_a_boot_that_never_ends_is_said_and_teaches_nothing(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    pool.twins[0].boot_s = 1e9
    pool.keeper.wanted = 1
    pool.live(1200.0, 10.0)
    assert "does not come up" in pool.keeper.hosts[0].trouble
    assert not pool.file.exists()
