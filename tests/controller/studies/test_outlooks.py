"""A study plays a folder of predictions back by their issue times; a service on the net is not asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.studies.closed_loop import own_past
from controller.studies.outlooks import site_outlook
from forecasting.history import History
from sites.load import load_site
from sites.schema.place import Prediction
from sites.schema.site import Site
from sites.times import uniform_grid

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def site_with(*sources: Prediction) -> Site:
    site = load_site("container")
    return site.model_copy(update={"weather": site.weather.model_copy(update={"predictions": sources})})


def test_sites_without_a_folder_are_forecast_from_their_own_past() -> None:
    service = Prediction(name="net", kind="open-meteo", address="http://127.0.0.1:9/")
    assert site_outlook(site_with(), folder=None, start_utc=NOW) is own_past
    assert site_outlook(site_with(service), folder=None, start_utc=NOW) is own_past


def test_runs_come_when_they_were_issued(tmp_path: Path) -> None:
    issued = NOW + timedelta(hours=2)
    rows = [f"{(issued + timedelta(hours=hour)).isoformat()},{300.0}" for hour in range(48)]
    head = f"# source: a\n# issued: {issued.isoformat()}\n# label: start\ntime_utc,ghi_w_m2\n"
    (tmp_path / "a.csv").write_text(head + "\n".join(rows))
    site = site_with(Prediction(name="drop", kind="folder", folder=tmp_path.name, every_minutes=60))
    outlook = site_outlook(site, folder=tmp_path.parent, start_utc=NOW)
    before = outlook(site, History(), NOW, uniform_grid(NOW, hours=1.0, steps=12))
    later = NOW + timedelta(hours=3)
    after = outlook(site, History(), later, uniform_grid(later, hours=1.0, steps=12))
    assert (before.rung, before.nwp_age_h) == ("climatology", None)
    assert (after.rung, after.nwp_age_h) == ("blend", 1.0)
