"""Tables of weather predictions as received, and of how good forecasts were."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from controller.records.base import Base


class PredictionRow(Base):
    """One run of a weather prediction: what forecasts were told, and what a learner grows from."""

    __tablename__ = "weather_predictions"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    source: Mapped[str] = mapped_column(String(63), primary_key=True)
    issued_utc: Mapped[datetime] = mapped_column(primary_key=True)
    document: Mapped[str]


class ForecastScoreRow(Base):
    """A score of one group of forecasts, worked out in one night over the days before it. Powers in kW."""

    __tablename__ = "forecast_scores"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    night_utc: Mapped[datetime] = mapped_column(primary_key=True)
    leads: Mapped[str] = mapped_column(String(40), primary_key=True)
    season: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(40), primary_key=True)
    days: Mapped[float]
    samples: Mapped[int]
    nrmse: Mapped[float]
    mae_kw: Mapped[float]
    bias_kw: Mapped[float]
    skill_persistence: Mapped[float | None]
    skill_cliper: Mapped[float | None]
    pinball_kw: Mapped[float]
    crps_kw: Mapped[float]
    crps_skill: Mapped[float | None]
    coverage_80: Mapped[float]
    reliability: Mapped[str]
    """Levels and shares as JSON: ``[[0.1, 0.12], ...]``."""
