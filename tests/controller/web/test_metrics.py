"""What Prometheus scrapes: base units, nothing missing read as zero. And ready means looked after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.web.desk import Desk
from controller.web.metrics import HELP, exposition
from tests.controller.web.conftest import Visit
from tests.controller.web.container_day import container_day


def scraped(words: str) -> dict[tuple[str, str], float]:
    """Return the samples by name and the value of the label besides the site, or the site where there is none."""
    return {
        (sample.name, next((v for k, v in sample.labels.items() if k != "site"), sample.labels["site"])): sample.value
        for family in text_string_to_metric_families(words)
        for sample in family.samples
    }


def test_the_present_is_told_in_base_units(visit: Visit, day_store: str) -> None:
    answer = visit(day_store).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found, seen = scraped(answer.text), container_day().snapshot
    assert seen.battery is not None
    assert seen.battery.power_kw is not None
    assert seen.tank_l is not None
    assert found["mdc_battery_power_watts", "container"] == pytest.approx(seen.battery.power_kw * 1000.0)
    assert found["mdc_battery_soc_ratio", "container"] == seen.battery.soc_frac
    assert found["mdc_tank_volume_cubic_metres", "container"] == pytest.approx(seen.tank_l / 1000.0)
    assert found["mdc_level", "optimal"] == 1.0
    assert found["mdc_level", "rules"] == 0.0
    assert {name for name, _ in found} <= set(HELP)


def test_what_was_not_read_is_left_out() -> None:
    day = container_day()
    blind = Desk(site=day.site, store_ready=True)
    words = exposition(blind, day.snapshot.at_utc).decode()
    assert "mdc_store_readable" in words
    assert "mdc_battery" not in words
    stale = scraped(exposition(replace(blind, stale=True), day.snapshot.at_utc + timedelta(hours=1)).decode())
    assert stale["mdc_store_readable", "container"] == 0.0


def test_ready_means_looked_after(visit: Visit, day_store: str, empty_store: str) -> None:
    ready = visit(day_store).get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    away = visit(empty_store).get("/readyz")
    assert (away.status_code, away.json()["why"]) == (503, "the store cannot be read")
