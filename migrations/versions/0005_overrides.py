"""Overrides as orders with a beginning, their version, previews, and why and until when a plan waits for a person."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from controller.records.base import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = {
    ("genset", "run"): ("run_genset", "genset"),
    ("genset", "stop"): ("forbid_genset", "genset"),
    ("job", "pause"): ("hold_job", "job"),
    ("tier", "shed"): ("shed_tier", "tier"),
    ("service", "stop"): ("stop_service", "service"),
}
"""Orders of the first version, and what they are now."""


def upgrade() -> None:
    """Add the columns and tables, and write the orders there are as documents."""
    with op.batch_alter_table("overrides") as overrides:
        overrides.add_column(sa.Column("from_utc", UtcTime(), nullable=True))
        overrides.add_column(sa.Column("document", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("plans") as plans:
        plans.add_column(sa.Column("review_why", sa.Text(), nullable=False, server_default=""))
        plans.add_column(sa.Column("answer_by_utc", UtcTime(), nullable=True))
    op.create_table(
        "override_versions",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_override_versions")),
    )
    op.create_table(
        "previews",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("asked_utc", UtcTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_previews")),
    )
    op.create_index(op.f("ix_previews_site_state"), "previews", ["site", "state"])
    _as_documents()


def _as_documents() -> None:
    overrides = sa.table("overrides", *(sa.column(name) for name in ("id", "subject", "order_text", "document")))
    connection = op.get_bind()
    for identity, subject, text, _ in connection.execute(sa.select(overrides)).all():
        kind, _, name = subject.partition(" ")
        order, field = KINDS.get((kind, text), ("hold_job", "job"))
        document = json.dumps({"kind": order, field: name})
        connection.execute(overrides.update().where(overrides.c.id == identity).values(document=document))


def downgrade() -> None:
    """Take all of it away."""
    op.drop_table("previews")
    op.drop_table("override_versions")
    with op.batch_alter_table("plans") as plans:
        plans.drop_column("answer_by_utc")
        plans.drop_column("review_why")
    with op.batch_alter_table("overrides") as overrides:
        overrides.drop_column("document")
        overrides.drop_column("from_utc")
