"""The desk between loop and worker, on a worker made of a list: previews, answers for nobody, what is asked when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.capability import capability
from controller.daemon.deciding import Ladder, PlanInForce, outlook_at
from controller.daemon.messages import Ask, Failed, PlanRequest, PreviewRequest, Progress
from controller.daemon.planner_process import WorkerLost
from controller.daemon.planning_desk import PlanningDesk
from controller.daemon.reporting import Alarms
from controller.overrides.orders import HoldJob, Standing
from controller.posing import pose
from controller.records.entries import PreviewEntry, ReviewEntry
from optimizer.rules.roll import rules_plan
from sites.ports import ManualClock
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, START, twin
from tests.controller.daemon.test_cycle import Story

ORDER = Standing(order=HoldJob(job="x"), expires_utc=START + timedelta(hours=4), id="o")
SNAPSHOT = twin().read()


class ListedPlanner:
    """Takes what is asked and never answers."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.ready = True

    def ask(self, request: Ask, *, deadline_s: float) -> None:
        assert self.ready
        self.asked.append(request)
        self.ready = False


class Bench:
    """A desk with all that it needs."""

    def __init__(self, site: Site = SITE) -> None:
        self.planner, self.story, self.ladder = ListedPlanner(), Story(), Ladder(site)
        clock = ManualClock(START)
        self.desk = PlanningDesk(site, self.planner, self.ladder, self.story, Alarms(()), clock)  # type: ignore[arg-type]

    def plan(self, *orders: Standing, minutes: float = 0.0) -> bool:
        at = START + timedelta(minutes=minutes)
        return self.desk.plan(at, SNAPSHOT, (), (), news=False, orders=orders)

    def preview(self, *asked: tuple[str, Standing]) -> bool:
        return self.desk.preview(START, SNAPSHOT, (), (), orders=(), asked=asked)

    def previews(self) -> list[PreviewEntry]:
        return [each for each in self.story.posted if isinstance(each, PreviewEntry)]


def waiting(bench: Bench) -> PlanInForce:
    """Put a plan in force that waits for a person."""
    work = capability(SITE)
    outlook = outlook_at(START, SNAPSHOT, None)
    problem = pose(SITE, SNAPSHOT, outlook, (), pools=work.pools, menus=work.menus)
    found = PlanInForce(
        id="p", made_utc=START, expires_utc=START + timedelta(hours=2), review="pending",
        plan=rules_plan(problem), problem=problem, forecast=outlook,
    )  # fmt: skip
    bench.ladder.take(found)
    return found


def test_a_change_of_orders_wants_a_plan_at_once_and_only_once() -> None:
    bench = Bench()
    assert bench.plan()
    bench.planner.ready = True
    assert not bench.plan(minutes=1)
    assert bench.plan(ORDER, minutes=1)
    bench.planner.ready = True
    assert not bench.plan(ORDER, minutes=2)
    request = bench.planner.asked[-1]
    assert isinstance(request, PlanRequest)
    assert request.orders == (ORDER,)
    assert bench.plan(minutes=3)


def test_previews_are_asked_one_by_one_and_a_lost_worker_fails_only_the_open_one() -> None:
    bench = Bench()
    bench.plan()
    bench.planner.ready = True
    assert bench.preview(("a", ORDER), ("b", ORDER))
    assert not bench.preview(("a", ORDER), ("b", ORDER))
    bench.desk.tell(Progress(text="step 1", preview_id="a"))
    bench.desk.take(WorkerLost(id=2, text="it did not answer in time"), START)
    told = [(each.id, each.state) for each in bench.previews()]
    assert told == [("a", "working"), ("a", "working"), ("a", "failed")]
    bench.planner.ready = True
    assert bench.preview(("a", ORDER), ("b", ORDER))
    request = bench.planner.asked[-1]
    assert isinstance(request, PreviewRequest)
    assert request.preview_id == "b"


def test_the_failure_of_a_plan_is_not_the_previews() -> None:
    bench = Bench()
    bench.plan()
    bench.desk.take(Failed(id=2, text="no luck"), START)
    assert bench.previews() == []


@pytest.mark.parametrize(("unanswered", "approve"), [("reject", False), ("approve", True)])
def test_the_site_file_answers_once_and_in_time(unanswered: str, approve: bool) -> None:
    change = {"review": "review", "answer_minutes": 20.0, "unanswered": unanswered}
    bench = Bench(SITE.model_copy(update={"planning": SITE.planning.model_copy(update=change)}))
    waiting(bench)
    for minutes in (0, 19, 20, 21):
        bench.desk.answer_for_nobody(START + timedelta(minutes=minutes))
    (told,) = [entries for kind, entries in bench.story.happened if kind == "commit"]
    (entry,) = told
    assert isinstance(entry, ReviewEntry)
    assert (entry.approve, entry.at_utc) == (approve, START + timedelta(minutes=20))


def test_a_plan_that_waits_is_left_to_its_person_and_the_fast_clock_does_not_stand_still_for_it() -> None:
    bench = Bench()
    waiting(bench)
    bench.desk._orders = ()
    bench.desk.want()
    assert not bench.plan(minutes=30)
    assert not bench.desk.owing
    assert bench.plan(ORDER, minutes=30)
