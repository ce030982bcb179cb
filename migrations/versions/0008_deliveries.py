"""Deliveries of diesel can be withdrawn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from controller.records.base import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("fuel_deliveries") as deliveries:
        deliveries.add_column(sa.Column("withdrawn_utc", UtcTime(), nullable=True))


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("fuel_deliveries") as deliveries:
        deliveries.drop_column("withdrawn_utc")
