"""What Prometheus scrapes: the site's present in base units, with the age of what is told.

A value that could not be read is left out, never zero. Names end in their unit (https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.web.desk import Desk
from optimizer.plan import Level

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WATTS, CUBIC_METRES = 1000.0, 0.001

HELP: dict[str, str] = {
    "mdc_cycle_age_seconds": "Time since the newest control cycle, by the host's clock, at speed 1.",
    "mdc_pv_power_watts": "PV power used.",
    "mdc_pv_available_watts": "PV power that could be used.",
    "mdc_battery_power_watts": "Power of the battery, positive into the site bus.",
    "mdc_battery_soc_ratio": "State of charge of usable capacity.",
    "mdc_battery_temperature_celsius": "Temperature of the cells.",
    "mdc_genset_power_watts": "Power of each genset.",
    "mdc_load_power_watts": "All load on the bus.",
    "mdc_it_power_watts": "Computers at the wall.",
    "mdc_cooling_power_watts": "Cooling.",
    "mdc_unserved_power_watts": "Load that could not be met.",
    "mdc_tank_volume_cubic_metres": "Diesel in the tank.",
    "mdc_inlet_temperature_celsius": "Air at the computers' inlet.",
    "mdc_service_requests_per_second": "Requests that come, by service.",
    "mdc_service_served_per_second": "Requests that are served, by service.",
    "mdc_jobs": "Jobs at their runner, by state.",
    "mdc_alarms_open": "Open alarms, by severity.",
    "mdc_level": "1 for the rung of the planning ladder in force, 0 for the others.",
    "mdc_store_readable": "1 if the console can read the store.",
}
"""Every metric and what it says."""

Sample = tuple[str, dict[str, str], float | None]


def exposition(desk: Desk, host_utc: datetime) -> bytes:
    """Return the metrics of a desk in Prometheus' text format.

    Args:
        desk: what the console knows.
        host_utc: the host's time, for the age of the newest cycle.
    """
    registry = CollectorRegistry()
    registry.register(_DeskCollector(desk, host_utc))
    return generate_latest(registry)


class _DeskCollector(Collector):
    def __init__(self, desk: Desk, host_utc: datetime) -> None:
        self._families: dict[str, GaugeMetricFamily] = {}
        for name, labels, value in (*_store(desk), *_present(desk, host_utc)):
            if value is not None:
                family = self._families.setdefault(name, GaugeMetricFamily(name, HELP[name], labels=("site", *labels)))
                family.add_metric((desk.site.name, *labels.values()), value)

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have a value."""
        yield from self._families.values()


def _store(desk: Desk) -> Iterator[Sample]:
    yield "mdc_store_readable", {}, float(desk.store_ready and not desk.stale)
    for severity in ("info", "warning", "critical"):
        yield "mdc_alarms_open", {"severity": severity}, float(sum(a.severity == severity for a in desk.alarms))


def _present(desk: Desk, host_utc: datetime) -> Iterator[Sample]:
    now = desk.now
    if now is None:
        return
    if now.speed == 1.0:
        yield "mdc_cycle_age_seconds", {}, (host_utc - now.at_utc).total_seconds()
    for level in Level:
        yield "mdc_level", {"level": level.value}, float(now.level is level)
    seen = now.snapshot
    yield "mdc_pv_power_watts", {}, _scaled(seen.pv_kw, WATTS)
    yield "mdc_pv_available_watts", {}, _scaled(seen.pv_available_kw, WATTS)
    if seen.battery is not None:
        yield "mdc_battery_power_watts", {}, _scaled(seen.battery.power_kw, WATTS)
        yield "mdc_battery_soc_ratio", {}, seen.battery.soc_frac
        yield "mdc_battery_temperature_celsius", {}, seen.battery.temperature_c
    for genset in seen.gensets:
        yield "mdc_genset_power_watts", {"genset": genset.name}, _scaled(genset.power_kw, WATTS)
    yield "mdc_load_power_watts", {}, _scaled(seen.load_kw, WATTS)
    yield "mdc_it_power_watts", {}, _scaled(seen.it_kw, WATTS)
    yield "mdc_cooling_power_watts", {}, _scaled(seen.cooling_kw, WATTS)
    yield "mdc_unserved_power_watts", {}, _scaled(seen.unserved_kw, WATTS)
    yield "mdc_tank_volume_cubic_metres", {}, _scaled(seen.tank_l, CUBIC_METRES)
    yield "mdc_inlet_temperature_celsius", {}, seen.inlet_c
    for service in seen.services:
        yield "mdc_service_requests_per_second", {"service": service.name}, service.rate_rps
        yield "mdc_service_served_per_second", {"service": service.name}, service.served_rps
    for state in ("queued", "running", "paused"):
        yield "mdc_jobs", {"state": state}, float(sum(job.state == state for job in seen.jobs))


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
