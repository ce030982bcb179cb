"""The site as plans should see it: its battery as old as the ageing models say, and each kWh at what it wears.

By night each published model is advanced by what was measured (charge, temperature, throughput), and where it stands is
stored with the day's account. Plans count on the lower end of that band: a battery that turns out healthier is no surprise
that hurts. The capacity in the site file is that of the day of the first account.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.reports.period import Span
from controller.reports.spans import ageing_before
from controller.reports.upkeep import BatteryAccount
from sites.plant.wear import wear_usd_per_kwh
from sites.schema.site import Site


class AgedBattery:
    """Reads where the ageing stands once a local day."""

    def __init__(self, site: Site, *, store: str) -> None:
        self._site, self._store = site, store
        self._zone = ZoneInfo(site.location.time_zone)
        self._found: tuple[object, Site] | None = None

    def site_at(self, now: datetime) -> Site:
        """Return the site with its battery as it is today."""
        if self._site.battery is None:
            return self._site
        today = now.astimezone(self._zone).date()
        if self._found is None or self._found[0] != today:
            until_now = Span(title="", start_utc=now, end_utc=now + timedelta(hours=1))
            self._found = today, aged(self._site, ageing_before(self._store, self._site, until_now))
        return self._found[1]


def aged(site: Site, account: BatteryAccount | None) -> Site:
    """Return the site with the capacity left by the most pessimistic model, and the wear price of its chemistry."""
    battery = site.battery
    if battery is None:
        return site
    left_frac = min((each.health_frac for each in account.ageing), default=1.0) if account is not None else 1.0
    update: dict[str, object] = {
        "battery": battery.model_copy(update={"capacity_kwh": battery.capacity_kwh * left_frac})
    }
    price = site.prices.battery_usd_per_kwh
    if price is not None:
        wear = wear_usd_per_kwh(battery.chemistry, price)
        update["prices"] = site.prices.model_copy(update={"battery_wear_usd_per_kwh": wear})
    return site.model_copy(update=update)
