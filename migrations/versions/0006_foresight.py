"""Weather predictions as received, and nightly scores of forecasts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from controller.records.base import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "weather_predictions",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("source", sa.String(length=63), nullable=False),
        sa.Column("issued_utc", UtcTime(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "source", "issued_utc", name=op.f("pk_weather_predictions")),
    )
    op.create_table(
        "forecast_scores",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("night_utc", UtcTime(), nullable=False),
        sa.Column("leads", sa.String(length=40), nullable=False),
        sa.Column("season", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("days", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("nrmse", sa.Double(), nullable=False),
        sa.Column("mae_kw", sa.Double(), nullable=False),
        sa.Column("bias_kw", sa.Double(), nullable=False),
        sa.Column("skill_persistence", sa.Double(), nullable=True),
        sa.Column("skill_cliper", sa.Double(), nullable=True),
        sa.Column("pinball_kw", sa.Double(), nullable=False),
        sa.Column("crps_kw", sa.Double(), nullable=False),
        sa.Column("crps_skill", sa.Double(), nullable=True),
        sa.Column("coverage_80", sa.Double(), nullable=False),
        sa.Column("reliability", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "night_utc", "leads", "season", "state", name=op.f("pk_forecast_scores")),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("forecast_scores")
    op.drop_table("weather_predictions")
