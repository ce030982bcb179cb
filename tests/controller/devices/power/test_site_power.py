"""Many devices as one site: who is believed, what is left unknown, and what is never ordered past a contact or a panel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.devices.power import face
from controller.devices.power.face import PlantBench
from controller.devices.power.site_power import TRIP_MARGIN_HZ, SitePower
from controller.devices.power.twin import TwinDevice, TwinFault
from controller.devices.power.watcher import Watcher
from controller.setpoints import GensetCommand, Setpoints, Verdict
from controller.snapshot import GensetPhase
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, START
from tests.controller.devices.power.bench_site import EQUIPMENT, loaded_bench

ALL = ("inverter", "bms", "pv-a", "pv-b", "meter-load", "genset-1", "tank", "cooling", "ups", "contacts")


class Whole:
    """Twins of some devices under one site."""

    def __init__(self, names: tuple[str, ...] = ALL, site: Site = SITE) -> None:
        entries = tuple(each for each in EQUIPMENT if each.name in names)
        self.bench: PlantBench = loaded_bench()
        faces = self.bench.faces(entries)
        self.twins = {each.name: TwinDevice(each.name, faces[each.name]) for each in entries}
        self.power = SitePower(site, entries, {name: Watcher(twin, poll_s=60.0) for name, twin in self.twins.items()})
        self.power.start()
        assert self.power.refresh(5.0)

    def order(self, **fields: object) -> dict[tuple[str, str], Verdict]:
        """Write setpoints, let them through, and return the verdicts of a further cycle."""
        orders = Setpoints(at_utc=START, expires_utc=START + timedelta(minutes=1), **fields)  # type: ignore[arg-type]
        self.power.write(orders)
        assert self.power.refresh(5.0)
        return {(each.device, each.what): each.verdict for each in self.power.write(orders)}


@pytest.fixture
def whole() -> Iterator[Whole]:
    made = Whole()
    yield made
    made.power.close(release=False)


def run(on: bool = True) -> tuple[GensetCommand, ...]:
    return (GensetCommand(name="diesel-1", run=on, kw=30.0),)


def test_the_snapshot_is_what_the_plant_shows(whole: Whole) -> None:
    seen, plant = whole.power.read(START), whole.bench.snapshot
    assert seen.battery is not None
    assert plant.battery is not None
    assert seen.battery.soc_frac == plant.battery.soc_frac
    assert seen.battery.charge_limit_kw == pytest.approx(plant.battery.charge_limit_kw)
    for name in ("pv_kw", "pv_available_kw", "load_kw", "cooling_kw", "tank_l", "inlet_c", "outdoor_c", "ups_soc_frac"):
        assert getattr(seen, name) == pytest.approx(getattr(plant, name)), name
    assert [(each.name, each.phase) for each in seen.gensets] == [("diesel-1", GensetPhase.OFF), ("diesel-2", None)]


def test_the_bms_is_believed_before_the_inverter_and_the_inverter_without_it(whole: Whole) -> None:
    assert whole.bench.snapshot.battery is not None
    whole.twins["bms"].fault = TwinFault.SILENT
    whole.power._listed = tuple(
        each.model_copy(update={"stale_s": -1.0 if each.name == "bms" else 10.0}) for each in whole.power._listed
    )
    seen = whole.power.read(START)
    assert seen.battery is not None
    assert seen.battery.soc_frac == whole.bench.snapshot.battery.soc_frac


def test_without_a_meter_the_load_is_what_the_sources_give() -> None:
    made = Whole(("inverter", "pv-a", "pv-b", "genset-1", "genset-2"))
    seen, plant = made.power.read(START), made.bench.snapshot
    assert plant.load_kw is not None
    assert seen.load_kw == pytest.approx(plant.load_kw, rel=0.02)
    assert (seen.tank_l, seen.ups_soc_frac, seen.inlet_c) == (pytest.approx(3200.0), None, None)
    made.power.close(release=False)
    lacking = Whole(("inverter", "pv-a", "genset-1"))
    assert lacking.power.read(START).load_kw is None
    lacking.power.close(release=False)


def test_a_ceiling_is_shared_by_rating_and_lifted(whole: Whole) -> None:
    assert whole.order(pv_limit_kw=99.0)[("pv-a", "limit_kw")] is Verdict.OWN
    assert whole.bench.pv_limits_kw == {"pv-a": pytest.approx(66.0), "pv-b": pytest.approx(33.0)}
    whole.order()
    assert whole.bench.pv_limit_kw() is None


def test_pv_held_down_that_does_not_tell_its_sun_is_not_known(whole: Whole) -> None:
    whole.order(pv_limit_kw=99.0)
    told = whole.power.watchers["pv-a"]._values
    whole.power.watchers["pv-a"]._values = {key: value for key, value in told.items() if key != "available_kw"}
    assert whole.power.read(START).pv_available_kw is None


@pytest.mark.parametrize("block", ["emergency_stop", "fire", "panel"])
def test_nothing_is_started_past_a_contact_or_a_panel(whole: Whole, block: str) -> None:
    if block == "panel":
        whole.bench.remote["diesel-1"] = False
    else:
        setattr(whole.bench, block, True)
    assert whole.power.refresh(5.0)
    verdicts = whole.order(gensets=run())
    assert verdicts[("genset-1", "run")] is not Verdict.OWN or not whole.bench.gensets["diesel-1"].run
    assert not whole.bench.gensets.get("diesel-1", GensetCommand(name="diesel-1", run=False)).run
    seen = whole.power.read(START)
    assert (seen.emergency_stop, seen.fire) == (block == "emergency_stop", block == "fire")


def test_a_contact_module_that_falls_silent_keeps_its_closed_contact(whole: Whole) -> None:
    whole.bench.emergency_stop = True
    assert whole.power.refresh(5.0)
    whole.twins["contacts"].fault = TwinFault.SILENT
    whole.power.refresh(5.0)
    assert whole.power.read(START).emergency_stop


def test_by_frequency_the_battery_inverter_is_told_and_the_sun_follows() -> None:
    assert SITE.pv is not None
    shifting = SITE.model_copy(update={"pv": SITE.pv.model_copy(update={"curtailment": "frequency-shift"})})
    made = Whole(("shifting-inverter", "pv-a", "pv-b"), shifting)
    assert made.order(pv_limit_kw=99.0)[("shifting-inverter", "frequency_hz")] is Verdict.OWN
    assert made.bench.pv_limit_kw() == pytest.approx(99.0, rel=0.01)
    assert made.bench.pv_limits_kw == {}
    made.order()
    assert made.bench.frequency_hz == 50.0
    made.power.close(release=False)
    blind = Whole(("shifting-inverter",), shifting)
    assert blind.order(pv_limit_kw=99.0)[("pv", "limit_kw")] is Verdict.REFUSED
    blind.power.close(release=False)


def test_the_frequency_is_not_shifted_to_where_an_inverter_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SITE.pv is not None
    shifting = SITE.model_copy(update={"pv": SITE.pv.model_copy(update={"curtailment": "frequency-shift"})})
    monkeypatch.setattr(face, "TRIPS_HZ", (47.0, 51.5))
    made = Whole(("shifting-inverter", "pv-a", "pv-b"), shifting)
    assert made.order(pv_limit_kw=0.0)[("pv", "limit_kw")] is Verdict.REFUSED
    assert made.bench.frequency_hz == pytest.approx(51.5 - TRIP_MARGIN_HZ)
    assert ("pv", "limit_kw") not in made.order(pv_limit_kw=400.0)
    made.power.close(release=False)


def test_inverters_hear_a_heartbeat_while_the_cycle_turns_and_none_after(whole: Whole) -> None:
    watcher = whole.power.watchers["pv-a"]
    assert whole.power.refresh(5.0)
    assert "pv-a" not in whole.bench.heartbeats, "nobody has said that the cycle turns"
    whole.order()
    heard = whole.bench.heartbeats["pv-a"]
    assert whole.power.refresh(5.0)
    assert whole.bench.heartbeats["pv-a"] > heard
    watcher.lives(-1.0)
    heard = whole.bench.heartbeats["pv-a"]
    assert whole.power.refresh(5.0)
    assert whole.bench.heartbeats["pv-a"] == heard
