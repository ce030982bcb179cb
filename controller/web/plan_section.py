"""The hours to come: the plan's figures and charts, its decisions with their reasons, and the orders given lately."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.views import GuardAction, Override, StoredDecision, StoredPlan
from controller.reports.charts.power import NOTHING_KW
from controller.reports.charts.words import amount_text, clock, day_clock, energy_text, figure, money, percent
from controller.reports.figures import Figure, PlanView, plan_figures
from controller.reports.local_times import local_times
from controller.reports.summary import PlanSummary, summarise
from controller.web.desk import SHOWN_ORDERS, Desk
from controller.web.lines import Line, Tile
from optimizer.plan import Decision, Plan, Status
from optimizer.problem import Problem
from sites.reasons import REASONS

TELLING_GAP_FRAC = 0.1
"""A larger gap is told in money: a share of a value near zero says nothing."""
WORTH_A_LOOK_FRAC = 0.005
"""Share of requests left unserved that is marked."""
PRESENT_STEP = timedelta(minutes=10)
"""Site time after which charts are drawn again with the present moved along; between, the page's script moves it."""


class FigureCache:
    """The charts of the plan drawn last; a plan never changes, so many viewers cost one drawing."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[str, int], tuple[Figure, ...]] | None = None

    def figures(self, stored: StoredPlan, zone: ZoneInfo, now_utc: datetime | None) -> tuple[Figure, ...]:
        """Return the figures of a plan as seen at ``now_utc``."""
        key = (stored.head.id, (now_utc - stored.plan.start_utc) // PRESENT_STEP if now_utc else 0)
        if self._kept is None or self._kept[0] != key:
            view = PlanView(
                plan=stored.plan, problem=stored.problem, forecast=stored.forecast, zone=zone, now_utc=now_utc
            )
            self._kept = (key, plan_figures(view))
        return self._kept[1]


def plan_context(desk: Desk, drawn: FigureCache) -> dict[str, object]:
    """Return the *next hours* section."""
    stored = desk.plan
    if stored is None:
        return {"plan": None, "waiting": desk.sensed}
    zone = ZoneInfo(desk.site.location.time_zone)
    now_utc = desk.now.at_utc if desk.now else None
    summary = summarise(stored.plan, stored.problem)
    return {
        "plan": stored.plan,
        "followed": desk.followed,
        "hours": round(summary.hours),
        "zone_name": desk.site.location.time_zone.replace("_", " "),
        "made": day_clock(stored.head.made_utc, zone),
        "figures": drawn.figures(stored, zone, now_utc),
        "facts": plan_facts(stored.plan, stored.problem, summary, zone),
        "solve": solve_words(stored.plan),
        "decisions": tuple(_decision(each, stored.plan, zone) for each in stored.plan.decisions),
        "breaches": tuple(
            Line(
                when="",
                what=local_times(each.what, zone, stored.plan.start_utc),
                why=each.text,
                aside=amount_text(each.amount, each.unit),
            )
            for each in stored.plan.breaches
        ),
        "orders": orders(desk, zone),
        "overrides": tuple(_override(each, zone) for each in desk.overrides),
        "standing": standing(desk),
    }


def plan_facts(plan: Plan, problem: Problem, summary: PlanSummary, zone: ZoneInfo) -> tuple[Tile, ...]:
    """Return the plan's main figures."""
    facts = []
    if problem.gensets:
        starts = f"{summary.genset_starts} genset start{'' if summary.genset_starts == 1 else 's'}"
        facts.append(
            Tile(name="Diesel", value=figure(summary.fuel_l, "L"), note=f"{money(summary.fuel_usd)}, {starts}")
        )
    if summary.pv_used_frac is not None:
        facts.append(
            Tile(
                name="Sun used",
                value=percent(summary.pv_used_frac),
                note=f"of {energy_text(summary.pv_available_kwh)} expected",
            )
        )
    if problem.battery is not None and problem.battery.capacity_kwh > 0:
        facts.append(
            Tile(name="Lowest charge", value=percent(summary.soc_low_frac), note=day_clock(summary.soc_low_utc, zone))
        )
    late = f"{summary.jobs_late} late" if summary.jobs_late else "none late"
    waiting = f", {summary.jobs_waiting} wait" if summary.jobs_waiting else ""
    facts.append(Tile(name="Jobs", value=str(summary.jobs_running), note=late + waiting))
    unserved = f"{percent(summary.unserved_frac, digits=1)} of requests"
    facts.append(
        Tile(
            name="Not served",
            value=energy_text(summary.shed_kwh),
            note=f"of the load; {unserved}",
            css_class="bad" if summary.shed_kwh > NOTHING_KW or summary.unserved_frac > WORTH_A_LOOK_FRAC else "",
        )
    )
    terms = plan.cost_terms_usd.values()
    costs, stored = sum(usd for usd in terms if usd > 0), -sum(usd for usd in terms if usd < 0)
    facts.append(
        Tile(
            name="Net value",
            value=money(plan.net_value_usd),
            note=f"work {money(plan.work_value_usd)}, costs {money(costs)}"
            + (f", energy stored {money(stored)}" if stored >= 0.005 else ""),
        )
    )
    return tuple(facts)


def solve_words(plan: Plan) -> str:
    """Return how the plan came about: policy, gap, time."""
    parts = [plan.policy]
    if plan.gap_frac is not None and plan.bound_usd is not None:
        below_usd = max(plan.bound_usd - plan.net_value_usd, 0.0)
        share = f"within {percent(max(plan.gap_frac, 0.001), digits=1)} of" if plan.gap_frac <= TELLING_GAP_FRAC else ""
        parts.append(f"{share or f'at most {money(below_usd)} below'} the best possible")
    parts.append(f"solved in {figure(plan.solve_seconds, 's')}")
    if plan.status is Status.INFEASIBLE_AS_POSED:
        parts.append(REASONS["INFEASIBLE_AS_POSED"])
    return ", ".join(parts)


def _decision(decision: Decision, plan: Plan, zone: ZoneInfo) -> Line:
    aside = ""
    if decision.cost_of_alternative_usd is not None:
        kind = "exact" if decision.exact else "estimate"
        cost = decision.cost_of_alternative_usd
        aside = f"otherwise {money(abs(cost))} {'more' if cost >= 0 else 'less'} ({kind})"
    return Line(
        when="",
        what=local_times(decision.what, zone, plan.start_utc),
        why=local_times(decision.text or REASONS.get(decision.reason_code, ""), zone, plan.start_utc),
        aside=aside,
    )


def orders(desk: Desk, zone: ZoneInfo) -> tuple[Line, ...]:
    """Return what was ordered lately and where guards stepped in, newest first."""
    entries: list[tuple[datetime, Line]] = [(each.at_utc, _order(each, zone)) for each in desk.orders]
    entries += [(each.at_utc, _guard(each, zone)) for each in desk.guards]
    return tuple(entry for _, entry in sorted(entries, key=lambda pair: pair[0], reverse=True)[:SHOWN_ORDERS])


def standing(desk: Desk) -> str:
    """Return where the plan shown stands: in force, waiting for a review, rejected, or merely the newest."""
    if desk.plan is None:
        return ""
    head = desk.plan.head
    if head.review == "pending":
        return f"Plan that waits for review (mdc review approve {head.id})"
    if head.review == "rejected":
        return "Rejected plan"
    return "Plan in force" if desk.followed else "Newest plan, not in force"


def _override(override: Override, zone: ZoneInfo) -> Line:
    return Line(
        when="",
        what=f"{override.subject}: {override.order_text}",
        why=override.why,
        aside=f"{override.who}, until {day_clock(override.expires_utc, zone)}",
    )


_SUBJECTS = {"level": "planning ladder", "tiers": "load tiers"}


def _order(order: StoredDecision, zone: ZoneInfo) -> Line:
    return Line(
        when=clock(order.at_utc, zone),
        what=f"{_SUBJECTS.get(order.subject, order.subject)}: {order.order_text.replace('_', ' ')}",
        why=order.text or REASONS.get(order.reason_code, order.reason_code),
        aside="" if order.origin == "plan" else order.origin.replace("_", " "),
        css_class=f"by-{order.origin}",
    )


def _guard(action: GuardAction, zone: ZoneInfo) -> Line:
    return Line(
        when=clock(action.at_utc, zone),
        what=f"{action.guard.replace('_', ' ')} {'steps in' if action.began else 'lets go'}: {action.subject}",
        why=action.text or REASONS.get(action.reason_code, action.reason_code),
        aside="guard",
        css_class="by-guard",
    )
