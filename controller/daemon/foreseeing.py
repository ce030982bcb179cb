"""The worker's forecasts: the site's past from the store, its weather predictions, its learner, and the nightly scores.

Nothing here can keep a plan from being made: a source that is slow, broken or silent becomes a state that is told,
and without the store's predictions or scores the forecast stands on what is left.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from controller.daemon.past import DAYS, stored_history
from controller.records.reading import Reader
from forecasting.forecaster import LEVELS, clear_power, forecast
from forecasting.history import History
from forecasting.keeper import LearnerKeeper
from forecasting.nwp_archive import restored, stored
from forecasting.records import FeedState, Forecast, NightScores, StoredPrediction
from forecasting.scoring import forecast_samples, scores
from forecasting.weather.feeds import Feeds
from sites.ports import Clock
from sites.schema.site import Site
from sites.times import planning_grid
from sites.world import World

LOG = logging.getLogger(__name__)
SCORED_DAYS = 28
"""Days of forecasts that a night's scores stand on."""
SCORED_EVERY_H = 3.0
"""Of the forecasts stored, those issued at least so far apart are scored: neighbours say the same."""
MOST_FORECASTS = 5000


@dataclass(frozen=True, kw_only=True)
class News:
    """What came to light while forecasting, for the loop to record."""

    feeds: tuple[FeedState, ...]
    predictions: tuple[StoredPrediction, ...]
    night: NightScores | None


class Forecaster:
    """The forecaster of one site; it remembers only what the store can tell again."""

    def __init__(self, site: Site, *, folder: Path | None, clock: Clock) -> None:
        self._site = site
        self._learning = LearnerKeeper(site)
        self._feeds = Feeds(site, folder=folder, clock=clock)
        self._remembered = False
        self._night: datetime | None = None
        self._states: tuple[FeedState, ...] = ()
        self._received: list[StoredPrediction] = []
        self._scores: NightScores | None = None

    def news(self) -> News:
        """Return what has come to light since this was last asked."""
        told = News(feeds=self._states, predictions=tuple(self._received), night=self._scores)
        self._received, self._scores = [], None
        return told

    def at(self, reader: Reader, now: datetime, world: World | None) -> Forecast:
        """Return the forecast over the planning grid as known at ``now``."""
        past = stored_history(reader, now, world)
        if not self._remembered and self._site.weather.predictions:
            kept = reader.predictions(now - timedelta(days=DAYS), now)
            self._feeds.remember(restored(each) for each in kept)
        self._remembered = True
        news = self._feeds.refresh(now)
        runs = self._feeds.known(now)
        learner = self._learning.at(past, now, runs=runs)
        self._states = news.states
        self._received += [stored(run) for run in news.runs]
        self._scores = self._scored(reader, past, now) or self._scores
        return forecast(
            self._site,
            past,
            issued_utc=now,
            grid=planning_grid(now, horizon_h=self._site.planning.horizon_h),
            learner=learner,
            runs=runs,
        )

    def _scored(self, reader: Reader, past: History, now: datetime) -> NightScores | None:
        """Return the scores of the last weeks when a day has turned since they were last asked for."""
        night = self._learning.midnight(now)
        if night == self._night:
            return None
        self._night = night
        try:
            if any(each.night_utc >= night for each in reader.night_scores()):
                return None
            return night_scores(self._site, reader, past, night)
        except Exception:
            LOG.exception("forecasts could not be scored")
            return None


def night_scores(
    site: Site, reader: Reader, past: History, night: datetime, *, days: float = SCORED_DAYS
) -> NightScores | None:
    """Return scores of the forecasts issued in ``days`` days before ``night``; none when there is nothing to score."""
    clear = clear_power(site)
    if clear is None:
        return None
    issued: list[Forecast] = []
    found = reader.forecasts(night - timedelta(days=days), night, limit=MOST_FORECASTS)
    for each in reversed(found):
        apart = not issued or each.issued_utc - issued[-1].issued_utc >= timedelta(hours=SCORED_EVERY_H, minutes=-1)
        if apart and each.quantile_levels == LEVELS:
            issued.append(each)
    samples = forecast_samples(issued, past, clear)
    if samples.empty:
        return None
    found_scores = scores(samples, LEVELS, southern=site.location.latitude < 0)
    span_days = (night - issued[0].issued_utc) / timedelta(days=1)
    return NightScores(night_utc=night, days=round(span_days, 2), levels=LEVELS, scores=found_scores)
