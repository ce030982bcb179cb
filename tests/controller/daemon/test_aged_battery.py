"""Plans count on what the most pessimistic ageing model leaves of the battery, read once a day from the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.daemon import aged_battery
from controller.daemon.aged_battery import AgedBattery, aged
from controller.reports.period import Span
from controller.reports.upkeep import Ageing, BatteryAccount
from sites.load import load_site
from sites.plant import ageing
from sites.plant.wear import wear_usd_per_kwh
from sites.schema.site import Site

SITE: Site = load_site("container")
NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def account(*losses: float) -> BatteryAccount:
    states = tuple(
        Ageing(model=model, by_time_frac=loss) for model, loss in zip(ageing.LFP_MODELS, losses, strict=True)
    )
    return BatteryAccount(
        full_cycles=1.0, mean_soc_frac=0.5, mean_cell_c=20.0, hot_cell_c=30.0, ageing=states, loss_frac=(0.0, 0.0)
    )


def capacity_kwh(site: Site) -> float:
    assert site.battery is not None
    return site.battery.capacity_kwh


def test_the_lower_end_of_the_band_is_counted_on() -> None:
    assert capacity_kwh(aged(SITE, account(0.02, 0.11, 0.07))) == pytest.approx(0.89 * capacity_kwh(SITE))
    assert aged(SITE, None).model_dump() == SITE.model_dump()


def test_a_price_of_the_battery_makes_the_wear_price() -> None:
    priced = SITE.model_copy(update={"prices": SITE.prices.model_copy(update={"battery_usd_per_kwh": 250.0})})
    assert aged(SITE, None).prices.battery_wear_usd_per_kwh == SITE.prices.battery_wear_usd_per_kwh
    assert aged(priced, None).prices.battery_wear_usd_per_kwh == pytest.approx(wear_usd_per_kwh("lfp", 250.0))


def test_the_store_is_asked_once_a_local_day(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def before(url: str, site: Site, span: Span) -> BatteryAccount:
        asked.append(span.start_utc)
        return account(0.01, 0.01, 0.05 * len(asked))

    monkeypatch.setattr(aged_battery, "ageing_before", before)
    battery = AgedBattery(SITE, store="sqlite://")
    left = [capacity_kwh(battery.site_at(NOON + timedelta(hours=h))) / capacity_kwh(SITE) for h in (0, 1, 5, 24)]
    assert asked == [NOON, NOON + timedelta(hours=24)]
    assert left == pytest.approx([0.95, 0.95, 0.95, 0.90])
