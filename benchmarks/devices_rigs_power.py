"""Power devices, hosts and the MQTT bridge behind lines that can be spoilt."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from benchmarks.devices_bench import ENTRIES, TIMEOUT_S, driver, seats, set_unit
from benchmarks.devices_rig import POLL_S, START, Rig, free_port, proxy_of, spoiler, wait_for
from controller.devices.nodes import assemble
from controller.devices.nodes.bench.redfish_server import RedfishServer
from controller.devices.nodes.redfish import RedfishNode
from controller.devices.nodes.switch import TwinNode
from controller.devices.power.bench.fault_proxy import LineFault
from controller.devices.power.bench.modbus_server import SERIAL_BAUD, StandInServer
from controller.devices.power.bench.serial_pair import SerialPair
from controller.devices.power.bench.serial_relay import SerialRelay
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.site_power import SitePower
from controller.devices.power.watcher import Watcher
from controller.mqtt.bridge import Bridge
from controller.records.entries import NowEntry
from controller.records.store import open_engine, upgrade
from controller.records.writing import write_entry
from controller.setpoints import GensetCommand, Setpoints
from controller.snapshot import PoolReading, Snapshot
from optimizer.plan import Level
from sites.load import load_site
from sites.ports import SystemClock
from sites.schema.equipment import Node
from sites.schema.mqtt import Mqtt


def setpoints() -> Setpoints:
    return Setpoints(
        at_utc=START,
        expires_utc=START + timedelta(seconds=60),
        gensets=(GensetCommand(name="diesel-1", run=True, kw=20.0),),
        battery_limit_kw=(200.0, 200.0),
    )


def modbus_rig(name: str, address: str, spoil: Callable[[LineFault], None], entry: str, *more: Any) -> Rig:
    """Return a device on a Modbus line; ``more`` is closed with it."""
    link = ModbusLink(parse_address(address), timeout_s=TIMEOUT_S)
    device, each = driver(entry, link), ENTRIES[entry]
    power = SitePower(load_site("container"), [each], {each.name: Watcher(device, poll_s=POLL_S)})
    good = set_unit(device, None)

    def spoilt(fault: LineFault) -> None:
        spoil(fault)
        if fault is LineFault.NONE:
            link.close()

    def close() -> None:
        power.close(release=False)
        for every in (link, *more):
            every.close()

    watcher = power.watchers[each.name]
    power.start()
    return Rig(
        name,
        lambda: device.read(whole=True),
        lambda: (power.write(setpoints()), power.read(START)),
        lambda: bool(watcher.sample().fresh(2.0)) and not watcher.sample().trouble,
        spoilt,
        lambda wrong: (set_unit(device, 99 if wrong else good), None)[1],
        close,
    )


def tcp_rig(name: str, entry: str, port: int) -> Rig:
    """Return a device on Modbus TCP behind a proxy."""
    proxy = proxy_of(port)
    return modbus_rig(name, f"tcp://127.0.0.1:{proxy.port}", spoiler(proxy), entry, proxy)


def rtu_rig(name: str, entry: str) -> Rig:
    """Return a device on a serial line: two pairs of pseudo terminals and a relay that spoils between them."""
    far, near = SerialPair(), SerialPair()
    server = StandInServer({}, serial={far.ports[0]: seats()})
    relay = SerialRelay(far.ports[1], near.ports[0])
    address = f"rtu://{near.ports[1]}?baud={SERIAL_BAUD}"
    return modbus_rig(name, address, spoiler(relay), entry, server, relay, far, near)


def mqtt_rig(folder: Path) -> Rig | None:
    """Return the bridge on a real Mosquitto; none without one."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        sys.stderr.write("no Mosquitto here: apt-get install mosquitto\n")
        return None
    port, config = free_port(), folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen([found, "-c", str(config)], stderr=subprocess.DEVNULL)
    wait_for(port)
    site, url = load_site("container"), f"sqlite:///{folder / 'bench.sqlite'}"
    upgrade(url)
    snapshot = Snapshot(at_utc=START, battery=None)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        now = NowEntry(at_utc=START, level=Level.RULES, plan_id=None, speed=1.0, snapshot=snapshot, setpoints=None)
        write_entry(session, site.name, now)
        session.commit()
    engine.dispose()
    proxy = proxy_of(port)
    bridge = Bridge(site, Mqtt(address=f"mqtt://127.0.0.1:{proxy.port}"), url, clock=SystemClock())
    bridge.start()

    def close() -> None:
        bridge.close()
        proxy.close()
        broker.terminate()
        broker.wait()

    return Rig("MQTT bridge", bridge.turn, None, bridge._connected.is_set, spoiler(proxy), None, close)


def redfish_rig(folder: Path) -> Rig:
    """Return the hosts of a pool by their BMCs."""
    names = ["l40s-1", "l40s-2"]
    server = RedfishServer({name: TwinNode(name, lambda: 0.0, boot_s=0.0, stop_s=0.0) for name in names})
    proxy = proxy_of(int(server.address.rpartition(":")[2]))
    address = f"http://127.0.0.1:{proxy.port}"
    listed = tuple(Node(name=name, pool="l40s", driver="redfish", address=address, system=name) for name in names)
    site = load_site("cabinet")
    site = site.model_copy(update={"devices": site.devices.model_copy(update={"nodes": listed})})
    assemble.PERIOD_S = POLL_S
    nodes = assemble.make_nodes(site, {}, folder)
    assert nodes is not None
    keeper = nodes.keepers["l40s"]
    switches = [host.switch for host in keeper.hosts if isinstance(host.switch, RedfishNode)]
    for switch in switches:
        switch._client.timeout = TIMEOUT_S
    reading = PoolReading(name="l40s", gpus_ok=8, draw_kw=None, nodes_on=2)
    nodes.start()

    def wrong(on: bool) -> None:
        for name, switch in zip(names, switches, strict=True):
            switch._system = "nobody" if on else name

    def close() -> None:
        nodes.close()
        proxy.close()
        server.close()

    def cycle() -> object:
        nodes.write(Setpoints(at_utc=START, expires_utc=START))
        return nodes.corrected(reading)

    def known() -> bool:
        return all(host.power is not None and not host.trouble for host in keeper.hosts)

    return Rig("host by Redfish", switches[0].power, cycle, known, spoiler(proxy), wrong, close)
