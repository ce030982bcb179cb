"""Keeps a site's learner up to date for whoever asks for forecasts: once a day it is scored and grown anew.

The day turns at local midnight by the sun (longitude), when nothing is asked of the sky. A learner can always
be had again from the history, so it is not stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from forecasting.forecaster import nightly_learner
from forecasting.history import History
from forecasting.learn.learner import SkyLearner
from forecasting.nwp import NwpRun
from sites.schema.site import Site

LEAST_DAYS = 7.0
"""Days of measured PV before a learner is grown: with less the prior knows more."""


class LearnerKeeper:
    """The learner of one site, refreshed when the day turns."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._learner: SkyLearner | None = None
        self._night: datetime | None = None

    def midnight(self, now_utc: datetime) -> datetime:
        """Return the turn of the day at or before ``now_utc``, by the sun."""
        shift = timedelta(hours=self._site.location.longitude / 15.0)
        return (now_utc + shift).replace(hour=0, minute=0, second=0, microsecond=0) - shift

    def at(self, history: History, now_utc: datetime, *, runs: tuple[NwpRun, ...] = ()) -> SkyLearner | None:
        """Return the learner for ``now_utc``; None while there is too little history.

        Args:
            history: measurements; anything after ``now_utc`` is not looked at.
            now_utc: the moment.
            runs: past predictions, one a source.
        """
        if history.pv_kw is None or now_utc - history.pv_kw.start_utc < timedelta(days=LEAST_DAYS):
            return self._learner
        night = self.midnight(now_utc)
        if night != self._night:
            self._night = night
            self._learner = nightly_learner(self._site, history, now_utc=now_utc, learner=self._learner, runs=runs)
        return self._learner
