"""Results of design studies; stores that had these tables before they were migrated keep what is in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables where they are not there yet."""
    there = sa.inspect(op.get_bind()).get_table_names()
    if "design_runs" not in there:
        op.create_table(
            "design_runs",
            sa.Column("input_hash", sa.String(length=32), nullable=False),
            sa.Column("study", sa.String(length=80), nullable=False),
            sa.Column("seed", sa.Integer(), nullable=False),
            sa.Column("designs", sa.Integer(), nullable=False),
            sa.Column("allowed", sa.Integer(), nullable=False),
            sa.Column("headline", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("input_hash", name=op.f("pk_design_runs")),
        )
    if "design_rows" not in there:
        op.create_table(
            "design_rows",
            sa.Column("input_hash", sa.String(length=32), nullable=False),
            sa.Column("group_number", sa.Integer(), nullable=False),
            sa.Column("design_number", sa.Integer(), nullable=False),
            sa.Column("npc_usd", sa.Double(), nullable=False),
            sa.Column("lcoe_usd_per_kwh", sa.Double(), nullable=False),
            sa.Column("fuel_l", sa.Double(), nullable=False),
            sa.Column("loss_frac", sa.Double(), nullable=False),
            sa.Column("allowed", sa.Boolean(), nullable=False),
            sa.Column("document", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("input_hash", "group_number", "design_number", name=op.f("pk_design_rows")),
        )


def downgrade() -> None:
    """Take both away."""
    op.drop_table("design_rows")
    op.drop_table("design_runs")
