"""Backfill of a fleet's store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add how far each site's tables have come, and the numbering of a site's own rows."""
    op.create_table(
        "backfill",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("source_table", sa.String(length=60), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("site", "source_table", name=op.f("pk_backfill")),
    )
    op.create_table(
        "numbering",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_numbering")),
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_table("numbering")
    op.drop_table("backfill")
