"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from controller.records.base import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MEASURED = (
    "pv_kw",
    "pv_available_kw",
    "battery_kw",
    "soc_frac",
    "battery_c",
    "genset_kw",
    "load_kw",
    "it_kw",
    "cooling_kw",
    "unserved_kw",
    "tank_l",
    "ups_soc_frac",
    "outdoor_c",
    "inlet_c",
)
TABLES = (
    "sites",
    "forecasts",
    "problems",
    "plans",
    "decisions",
    "setpoints",
    "guard_actions",
    "telemetry",
    "telemetry_rollups",
    "service_telemetry",
    "site_now",
    "twins",
    "worlds",
    "alarms",
    "fuel_deliveries",
    "jobs",
    "job_events",
    "reviews",
    "overrides",
    "audit",
)


def _measured() -> tuple[sa.Column[float], ...]:
    return tuple(sa.Column(name, sa.Double(), nullable=True) for name in MEASURED)


def upgrade() -> None:
    """Create all tables."""
    _planning()
    _operation()
    _people()


def downgrade() -> None:
    """Drop all tables, those that others point to last."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _planning() -> None:
    """Site files, forecasts, problems, plans, decisions, setpoints, guard actions."""
    op.create_table(
        "sites",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.String(length=120), nullable=False),
        sa.Column("recorded_utc", UtcTime(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("site", "digest", name=op.f("uq_sites_site_digest")),
    )
    op.create_table(
        "forecasts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("issued_utc", UtcTime(), nullable=False),
        sa.Column("rung", sa.String(length=40), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
    )
    op.create_index(op.f("ix_forecasts_site_issued_utc"), "forecasts", ["site", "issued_utc"])
    op.create_table(
        "problems",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("posed_utc", UtcTime(), nullable=False),
        sa.Column("forecast_id", sa.String(length=32), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.id"], name=op.f("fk_problems_forecast_id_forecasts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problems")),
    )
    op.create_index(op.f("ix_problems_site_posed_utc"), "problems", ["site", "posed_utc"])
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("problem_id", sa.String(length=32), nullable=False),
        sa.Column("made_utc", UtcTime(), nullable=False),
        sa.Column("expires_utc", UtcTime(), nullable=False),
        sa.Column("policy", sa.String(length=40), nullable=False),
        sa.Column("level", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("review", sa.String(length=40), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problems.id"], name=op.f("fk_plans_problem_id_problems")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index(op.f("ix_plans_site_made_utc"), "plans", ["site", "made_utc"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("order_text", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=40), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.String(length=32), nullable=True),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("expires_utc", UtcTime(), nullable=False),
        sa.Column("acted_utc", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_decisions_plan_id_plans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("site", "subject", "seq", name=op.f("uq_decisions_site_subject_seq")),
    )
    op.create_index(op.f("ix_decisions_site_at_utc"), "decisions", ["site", "at_utc"])
    op.create_table(
        "setpoints",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("what", sa.String(length=120), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=True),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setpoints")),
    )
    op.create_index(op.f("ix_setpoints_site_at_utc"), "setpoints", ["site", "at_utc"])
    op.create_table(
        "guard_actions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("guard", sa.String(length=120), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("began", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guard_actions")),
    )
    op.create_index(op.f("ix_guard_actions_site_at_utc"), "guard_actions", ["site", "at_utc"])


def _operation() -> None:
    """Telemetry, its roll-ups, the present, alarms, fuel."""
    op.create_table(
        "telemetry",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        *_measured(),
        sa.PrimaryKeyConstraint("site", "at_utc", name=op.f("pk_telemetry")),
    )
    op.create_table(
        "service_telemetry",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("service", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("rate_rps", sa.Double(), nullable=True),
        sa.Column("served_rps", sa.Double(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "service", "at_utc", name=op.f("pk_service_telemetry")),
    )
    op.create_table(
        "telemetry_rollups",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("soc_min_frac", sa.Double(), nullable=True),
        sa.Column("soc_max_frac", sa.Double(), nullable=True),
        *_measured(),
        sa.PrimaryKeyConstraint("site", "step_s", "at_utc", name=op.f("pk_telemetry_rollups")),
    )
    op.create_table(
        "site_now",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("level", sa.String(length=40), nullable=False),
        sa.Column("plan_id", sa.String(length=32), nullable=True),
        sa.Column("speed", sa.Double(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("setpoints", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_now")),
    )
    op.create_table(
        "twins",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_twins")),
    )
    op.create_table(
        "worlds",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_worlds")),
    )
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("severity", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_utc", UtcTime(), nullable=False),
        sa.Column("cleared_utc", UtcTime(), nullable=True),
        sa.Column("acknowledged_utc", UtcTime(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index(op.f("ix_alarms_site_raised_utc"), "alarms", ["site", "raised_utc"])
    op.create_table(
        "fuel_deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("litres", sa.Double(), nullable=False),
        sa.Column("usd_per_l", sa.Double(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("recorded_utc", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fuel_deliveries")),
    )
    op.create_index(op.f("ix_fuel_deliveries_site_at_utc"), "fuel_deliveries", ["site", "at_utc"])


def _people() -> None:
    """Jobs, reviews, overrides, audit."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("submitted_utc", UtcTime(), nullable=False),
        sa.Column("updated_utc", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("done_frac", sa.Double(), nullable=False),
        sa.Column("pool", sa.String(length=120), nullable=False),
        sa.Column("gpus", sa.Double(), nullable=False),
        sa.Column("limit_w", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("site", "name", name=op.f("uq_jobs_site_name")),
    )
    op.create_index(op.f("ix_jobs_site_state"), "jobs", ["site", "state"])
    op.create_table(
        "job_events",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
        sa.UniqueConstraint("job_id", "seq", name=op.f("uq_job_events_job_id_seq")),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("plan_id", sa.String(length=32), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_reviews_plan_id_plans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_table(
        "overrides",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("expires_utc", UtcTime(), nullable=False),
        sa.Column("withdrawn_utc", UtcTime(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("order_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overrides")),
    )
    op.create_index(op.f("ix_overrides_site_at_utc"), "overrides", ["site", "at_utc"])
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("at_utc", UtcTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at_utc"), "audit", ["at_utc"])
