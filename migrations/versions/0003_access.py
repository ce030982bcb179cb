"""Tokens and sessions of the console, and the role in the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from controller.records.base import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables and the column."""
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("made_utc", UtcTime(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("expires_utc", UtcTime(), nullable=True),
        sa.Column("used_utc", UtcTime(), nullable=True),
        sa.Column("revoked_utc", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_access_tokens_digest")),
    )
    op.create_index(op.f("ix_access_tokens_site_name"), "access_tokens", ["site", "name"])
    op.create_table(
        "access_sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_utc", UtcTime(), nullable=False),
        sa.Column("expires_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["access_tokens.id"],
            name=op.f("fk_access_sessions_token_id_access_tokens"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_access_sessions_digest")),
    )
    op.add_column("audit", sa.Column("role", sa.String(length=40), nullable=False, server_default=""))


def downgrade() -> None:
    """Take all three away."""
    with op.batch_alter_table("audit") as audit:
        audit.drop_column("role")
    op.drop_table("access_sessions")
    op.drop_table("access_tokens")
