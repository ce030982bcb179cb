"""Spoilt lines: what a driver says of them, that the cycle never waits, and that a mended line is used again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.devices.power.bench.fault_proxy import FaultProxy, LineFault
from controller.devices.power.driver import DeviceLostError
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.site_power import SitePower
from controller.devices.power.watcher import Watcher
from controller.setpoints import GensetCommand, Setpoints, Verdict
from tests.controller.daemon.prepared import SITE, START
from tests.controller.devices.power.bench_site import EQUIPMENT, Bench, driver

TIMEOUT_S = 0.15
POLL_S = 0.05
BY_NAME = {each.name: each for each in EQUIPMENT}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    opened = Bench.open()
    yield opened
    opened.close()


@pytest.fixture
def proxy(bench: Bench) -> Iterator[FaultProxy]:
    made = FaultProxy(bench.server.ports[0])
    yield made
    made.close()


def line(port: int) -> ModbusLink:
    return ModbusLink(parse_address(f"tcp://127.0.0.1:{port}"), timeout_s=TIMEOUT_S)


def until(condition: object, seconds: float = 5.0) -> bool:
    """Wait until a condition holds."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        threading.Event().wait(0.01)
    return bool(condition())


SPOILT = [LineFault.LATE, LineFault.HALF_OPEN, LineFault.SHORT, LineFault.GARBLED, LineFault.REFUSED]


@pytest.mark.parametrize("name", ["inverter", "genset-1"])
@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_line_is_a_lost_device_and_comes_back(proxy: FaultProxy, fault: LineFault, name: str) -> None:
    link = line(proxy.port)
    device = driver(BY_NAME[name], link)
    before = device.read(whole=True)
    proxy.spoil.fault, proxy.spoil.latency_s = fault, 1.0
    link.close()
    with pytest.raises(DeviceLostError):
        device.read(whole=True)
    proxy.spoil.fault = LineFault.NONE

    def reads_as_before() -> bool:
        try:
            return device.read(whole=True) == before
        except DeviceLostError:  # a busy machine may miss one answer's time
            return False

    assert until(reads_as_before)
    device.close()


@pytest.mark.parametrize("name", ["pv-a", "meter-it"])
def test_a_wrong_unit_id_is_a_lost_device(bench: Bench, name: str) -> None:
    device = driver(BY_NAME[name], line(bench.server.ports[0]), unit=99)
    with pytest.raises(DeviceLostError, match="unit"):
        device.read()
    device.close()


def power_behind(proxy: FaultProxy, bench: Bench) -> SitePower:
    """Return a site whose genset is behind the proxy and whose other devices are not."""
    entries = [BY_NAME[name] for name in ("inverter", "pv-a", "genset-1")]
    ports = {each.name: bench.server.ports[0] for each in entries} | {"genset-1": proxy.port}
    devices = {each.name: driver(each, line(ports[each.name])) for each in entries}
    return SitePower(SITE, entries, {name: Watcher(device, poll_s=POLL_S) for name, device in devices.items()})


def orders(run: bool = True, pv_limit_kw: float | None = None, good_for_s: float = 30.0) -> Setpoints:
    return Setpoints(
        at_utc=START,
        expires_utc=START + timedelta(seconds=good_for_s),
        gensets=(GensetCommand(name="diesel-1", run=run, kw=30.0),),
        pv_limit_kw=pv_limit_kw,
    )


@pytest.mark.parametrize("fault", [*SPOILT, LineFault.LOSSY])
def test_the_cycle_never_waits_for_a_line(proxy: FaultProxy, bench: Bench, fault: LineFault) -> None:
    power = power_behind(proxy, bench)
    power.start()
    assert until(lambda: power.read(START).gensets[0].phase is not None)
    waited: list[str] = []
    for watcher in power.watchers.values():
        link = watcher.device._link if hasattr(watcher.device, "_link") else watcher.device.line._link  # type: ignore[attr-defined]
        ask = link._ask

        def asked(call: object, unit: int, ask: object = ask) -> object:
            waited.append(threading.current_thread().name)
            return ask(call, unit)  # type: ignore[operator]

        link._ask = asked
    proxy.spoil.fault = fault
    for _ in range(30):
        power.write(orders(pv_limit_kw=120.0))
        power.read(START)
        threading.Event().wait(0.01)
    assert waited
    assert threading.current_thread().name not in waited
    assert power.read(START).battery is not None
    power.close(release=False)


def test_a_device_that_falls_silent_grows_old_and_is_then_not_known(proxy: FaultProxy, bench: Bench) -> None:
    power = power_behind(proxy, bench)
    power._listed = tuple(each.model_copy(update={"stale_s": 0.3}) for each in power._listed)
    power.start()
    assert until(lambda: power.read(START).gensets[0].phase is not None)
    proxy.spoil.fault = LineFault.HALF_OPEN
    assert until(lambda: power.read(START).gensets[0].phase is None)
    snapshot = power.read(START)
    assert (snapshot.gensets[0].power_kw, snapshot.gensets[1].phase) == (None, None)
    assert snapshot.battery is not None
    assert snapshot.pv_kw is not None
    stale = [each for each in power.write(orders()) if each.verdict is Verdict.STALE]
    assert {each.device for each in stale} == {"genset-1"}
    proxy.spoil.fault = LineFault.NONE
    assert until(lambda: power.read(START).gensets[0].phase is not None)
    assert until(lambda: bench.plant.gensets["diesel-1"].run)
    power.close(release=False)


def test_orders_get_through_a_line_that_loses_a_fifth(proxy: FaultProxy, bench: Bench) -> None:
    proxy.spoil.fault = LineFault.LOSSY
    power = power_behind(proxy, bench)
    power.start()
    for run in (True, False, True):
        power.write(orders(run))
        assert until(lambda run=run: bench.plant.gensets["diesel-1"].run is run, 10.0)
    power.close(release=False)


def test_somebody_elses_setting_is_set_back_and_counted(proxy: FaultProxy, bench: Bench) -> None:
    power = power_behind(proxy, bench)
    power.start()
    power.write(orders(pv_limit_kw=100.0))
    share_kw = pytest.approx(100.0, rel=1e-3)
    assert until(lambda: bench.plant.pv_limits_kw.get("pv-a") == share_kw)
    assert until(
        lambda: any(
            each.verdict is Verdict.OWN and each.what == "limit_kw" for each in power.write(orders(pv_limit_kw=100.0))
        )
    )
    bench.server.call(lambda: bench.faces["pv-a"].order("limit_kw", 300.0))
    assert until(lambda: power.watchers["pv-a"].tally.external == 1)
    assert until(lambda: bench.plant.pv_limits_kw["pv-a"] == share_kw)

    def verdict() -> Verdict:
        found = {each.what: each.verdict for each in power.write(orders(pv_limit_kw=100.0)) if each.device == "pv-a"}
        return found["limit_kw"]

    assert until(lambda: verdict() is Verdict.EXTERNAL)
    power.close(release=True)
    assert bench.plant.pv_limits_kw["pv-a"] == pytest.approx(330.0)


def test_orders_that_nobody_renews_give_way_to_the_safe_default(proxy: FaultProxy, bench: Bench) -> None:
    power = power_behind(proxy, bench)
    power.start()
    power.write(orders(run=False, pv_limit_kw=80.0, good_for_s=0.4))
    assert until(lambda: bench.plant.pv_limits_kw.get("pv-a") == pytest.approx(80.0, rel=1e-3))
    assert until(lambda: bench.plant.pv_limits_kw["pv-a"] == pytest.approx(330.0))
    lost = SITE.gensets[0].on_lost_link
    assert until(lambda: bench.plant.gensets["diesel-1"].run is (lost == "start"))
    power.close(release=False)
