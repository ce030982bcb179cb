"""What the store holds for forecasts and of them: the measured past in even steps, predictions received, scores."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, Select, cast, extract, func, select
from sqlalchemy.orm import Session

from controller.records.forecast_tables import ForecastScoreRow, PredictionRow
from controller.records.measured_tables import ServiceTelemetryRow
from forecasting.records import NightScores, Score, StoredPrediction

PLAIN = tuple(name for name in Score.model_fields if name != "reliability")


class Foresight:
    """The part of a reader that forecasts ask."""

    _engine: Engine
    _site: str

    def predictions(self, start_utc: datetime, end_utc: datetime) -> tuple[StoredPrediction, ...]:
        """Return the predictions issued in [start, end], oldest first."""
        query = (
            select(PredictionRow.document)
            .where(
                PredictionRow.site == self._site,
                PredictionRow.issued_utc >= start_utc,
                PredictionRow.issued_utc <= end_utc,
            )
            .order_by(PredictionRow.issued_utc)
        )
        return tuple(StoredPrediction.model_validate_json(document) for document in self._column(query))

    def night_scores(self, *, nights: int = 1, until_utc: datetime | None = None) -> tuple[NightScores, ...]:
        """Return the scores of the last ``nights`` nights (up to ``until_utc``) that have any, newest first."""
        wanted = (
            select(ForecastScoreRow.night_utc)
            .where(ForecastScoreRow.site == self._site)
            .distinct()
            .order_by(ForecastScoreRow.night_utc.desc())
            .limit(nights)
        )
        if until_utc is not None:
            wanted = wanted.where(ForecastScoreRow.night_utc <= until_utc)
        moments = self._column(wanted)
        query = select(ForecastScoreRow).where(
            ForecastScoreRow.site == self._site, ForecastScoreRow.night_utc.in_(moments)
        )
        rows = sorted(self._column(query), key=_order)
        return tuple(_night([row for row in rows if row.night_utc == moment]) for moment in moments)

    def service_means(
        self, start_utc: datetime, end_utc: datetime, *, step_s: int
    ) -> dict[str, list[tuple[datetime, float]]]:
        """Return each service's mean request rate by steps from ``start_utc`` on; steps without a reading are left out."""
        step: ColumnElement[int]
        row = ServiceTelemetryRow
        with Session(self._engine) as session:
            if session.get_bind().dialect.name == "sqlite":
                since_s = (func.julianday(row.at_utc) - func.julianday(start_utc)) * 86400.0
                step = cast((since_s + 0.001) / step_s, Integer)
            else:
                since_s = extract("epoch", row.at_utc) - start_utc.timestamp()
                step = cast(func.floor(since_s / step_s), Integer)
            step = step.label("step")
            inside = (row.site == self._site, row.at_utc >= start_utc, row.at_utc < end_utc, row.rate_rps.is_not(None))
            query = select(row.service, step, func.avg(row.rate_rps)).where(*inside).group_by(row.service, step)
            means: dict[str, list[tuple[datetime, float]]] = {}
            for service, number, rate in session.execute(query.order_by(row.service, step)):
                means.setdefault(service, []).append((start_utc + timedelta(seconds=number * step_s), rate))
        return means

    def _column(self, query: Select[Any]) -> list[Any]:
        with Session(self._engine) as session:
            return list(session.scalars(query))


def score_rows(site: str, night: NightScores) -> list[dict[str, Any]]:
    """Return the rows of one night's scores."""
    return [
        {
            "site": site,
            "night_utc": night.night_utc,
            "days": night.days,
            "reliability": json.dumps(list(zip(night.levels, score.reliability, strict=True))),
            **{name: getattr(score, name) for name in PLAIN},
        }
        for score in night.scores
    ]


def _night(rows: list[ForecastScoreRow]) -> NightScores:
    pairs = [json.loads(row.reliability) for row in rows]
    return NightScores(
        night_utc=rows[0].night_utc,
        days=rows[0].days,
        levels=tuple(level for level, _ in pairs[0]),
        scores=tuple(
            Score(reliability=tuple(share for _, share in pair), **{name: getattr(row, name) for name in PLAIN})
            for row, pair in zip(rows, pairs, strict=True)
        ),
    )


def _order(row: ForecastScoreRow) -> tuple[bool, bool, bool, float, str, str]:
    """Return the place of a row: all together, then by lead, by season, by state."""
    first = float(row.leads.split("-")[0]) if row.leads != "all" else 0.0
    return (row.state != "all", row.season != "all", row.leads != "all", first, row.season, row.state)
