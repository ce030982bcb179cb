"""The forecaster of a study: that of the daemon, on the study's clock.

A site with a folder of predictions is forecast with a learner and the runs in the folder that were out at each moment,
so an archive of real runs can be played back; a service on the net speaks of today only and is not asked. Other sites
are forecast from their own past without a learner, which is quicker and hardly worse over two months.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from controller.studies.closed_loop import Outlook, own_past
from forecasting.forecaster import forecast
from forecasting.history import History
from forecasting.keeper import LearnerKeeper
from forecasting.records import Forecast
from forecasting.weather.feeds import Feeds
from sites.ports import ManualClock
from sites.schema.site import Site
from sites.times import TimeGrid


def site_outlook(site: Site, *, folder: Path | None, start_utc: datetime) -> Outlook:
    """Return the forecaster for one run of a study from ``start_utc``; ``folder`` is that of the site file."""
    if not any(each.kind == "folder" for each in site.weather.predictions):
        return own_past
    folders = tuple(each for each in site.weather.predictions if each.kind == "folder")
    weather = site.weather.model_copy(update={"predictions": folders})
    feeds = Feeds(site.model_copy(update={"weather": weather}), folder=folder, clock=ManualClock(start_utc))
    learning = LearnerKeeper(site)

    def outlook(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        feeds.refresh(now)
        runs = feeds.known(now)
        learner = learning.at(history, now, runs=runs)
        return forecast(place, history, issued_utc=now, grid=grid, learner=learner, runs=runs)

    return outlook
