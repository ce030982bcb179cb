"""The cycle: committed before acted on, guards first, late stores, overrides, the ladder at run time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.capability import capability
from controller.cycle import Cycle
from controller.daemon.deciding import Ladder, PlanInForce, Work, outlook_at, plan_faults
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Ledger
from controller.daemon.reporting import Alarms, Reporter
from controller.daemon.sensing import Senses
from controller.overrides.orders import Disable, HoldJob, Order, RunGenset, ShedTier, Standing, StopService
from controller.posing import pose
from controller.records.entries import (
    ActedEntry,
    AlarmRaised,
    DecisionEntry,
    Entry,
    JobProgress,
    JobSubmitted,
    NowEntry,
)
from controller.records.resume import Inbox, LastOrder, LiveJob
from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from optimizer.plan import Level
from optimizer.problem import JobProblem
from optimizer.rules.roll import rules_plan
from sites.compute.hardware import gpu_spec
from sites.plant import genset as gen
from sites.ports import ManualClock
from tests.controller.daemon.prepared import SITE, START, job, prepared, twin

CAN = capability(SITE)
WORK = Work(pools=CAN.pools, menus=CAN.menus)


class Story:
    """Records and devices that write down in which order things happen."""

    def __init__(self) -> None:
        self.twin = twin()
        self.happened: list[tuple[str, Any]] = []
        self.posted: list[Entry] = []
        self.inbox = Inbox()
        self.takes = True
        self.late: list[tuple[Future[None], Sequence[Entry]]] = []
        self.overlay: dict[str, Any] = {}

    def commit(self, entries: Sequence[Entry], *, timeout_s: float) -> Future[None]:
        done: Future[None] = Future()
        if self.takes:
            self.happened.append(("commit", tuple(entries)))
            done.set_result(None)
        else:
            self.late.append((done, tuple(entries)))
        return done

    def act_first(self, decisions: Sequence[DecisionEntry]) -> None:
        self.happened.append(("journal", tuple(decisions)))

    def post(self, *entries: Entry) -> None:
        self.posted.extend(entries)

    def read(self) -> Snapshot:
        return self.twin.read().model_copy(update=self.overlay)

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        self.happened.append(("write", setpoints))
        return self.twin.write(setpoints)

    def submit(self, job: JobProblem) -> None:
        self.twin.submit(job)

    def cancel(self, job_name: str) -> None:
        self.twin.cancel(job_name)

    def close(self) -> None:
        self.twin.close()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.happened]


class Bench:
    """A cycle with everything around it."""

    def __init__(self, last: Sequence[LastOrder] = ()) -> None:
        """``last`` is what a daemon before this one had ordered."""
        self.host = ManualClock(START)
        self.story = Story()
        self.ladder = Ladder(SITE)
        self.book = JobBook(streamed_until=START)
        self.cycle = Cycle(
            SITE,
            records=self.story,
            ladder=self.ladder,
            ledger=Ledger(last),
            book=self.book,
            reporter=Reporter(telemetry_every_s=10.0, speed=1.0, alarms=Alarms()),
            senses=Senses(SITE, self.host),
        )

    def run(self, work: Work | None = WORK, step_s: float = 60.0) -> Any:
        self.story.happened.clear()
        result = self.cycle.run(self.story, work, self.story.twin.state.at_utc)
        self.story.twin.step(step_s)
        return result

    def plan(self, *jobs: JobProblem, review: str = "auto", hours: float = 2.0, **changes: Any) -> PlanInForce:
        now = self.story.twin.state.at_utc
        snapshot = self.story.read()
        outlook = outlook_at(now, snapshot, None)
        problem = pose(SITE, snapshot, outlook, jobs, pools=CAN.pools, menus=CAN.menus)
        plan = rules_plan(problem).model_copy(update={"level": Level.OPTIMAL, **changes})
        return PlanInForce(
            id="p" * 32,
            made_utc=now,
            expires_utc=now + timedelta(hours=hours),
            review=review,
            plan=plan,
            problem=problem,
            forecast=outlook,
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def told(result: Any) -> list[str]:
    return [each.name for each in result.written.services if each.mode.gpus]


def test_planned_orders_are_committed_before_they_are_acted_on(bench: Bench) -> None:
    bench.ladder.take(bench.plan())
    result = bench.run()
    assert bench.story.kinds() == ["commit", "write"]
    committed = {each.subject for each in bench.story.happened[0][1]}
    assert {"service voice-agent", "level"} <= committed
    acted = next(each for each in bench.story.posted if isinstance(each, ActedEntry))
    assert set(acted.ids) == {each.id for each in bench.story.happened[0][1]}
    assert result.decided.level is Level.OPTIMAL
    assert bench.run().written.services == result.written.services
    assert bench.story.kinds() == ["write"]


def test_a_store_that_is_late_holds_new_orders_back_until_it_has_them(bench: Bench) -> None:
    bench.story.takes = False
    bench.ladder.take(bench.plan())
    assert told(bench.run()) == []
    assert told(bench.run()) == []
    assert len(bench.story.late) == 1
    bench.story.late[0][0].set_result(None)
    assert "voice-agent" in told(bench.run())


def test_guards_act_first_even_when_the_store_is_away(bench: Bench) -> None:
    bench.ladder.take(bench.plan(job("a")))
    bench.story.inbox = Inbox(jobs=(LiveJob(name="a", state="queued", done_frac=0.0, who="me", job=job("a")),))
    bench.run()
    bench.story.takes = False
    bench.story.overlay = {"unserved_kw": 30.0}
    result = bench.run()
    assert bench.story.kinds()[0] == "journal"
    assert any(genset.run for genset in result.written.gensets)
    assert {each.origin for each in bench.story.happened[0][1]} == {"guard"}


@pytest.mark.parametrize("store_takes", [True, False])
@pytest.mark.parametrize("shortage", [True, False])
def test_a_restart_never_stops_for_a_moment_what_runs(store_takes: bool, shortage: bool) -> None:
    """The new daemon knows the orders that stand as texts only: it cannot hold what stood before, and must not drop it."""
    before = LastOrder(
        subject="service voice-agent",
        seq=3,
        order_text="another mode",
        decision_id="d" * 32,
        acted=True,
        expires_utc=START + timedelta(hours=1),
    )
    bench = Bench([before])
    bench.ladder.take(bench.plan())
    bench.story.takes = store_takes
    bench.story.overlay = {"unserved_kw": 30.0} if shortage else {}
    bench.run()
    writes = [what for kind, what in bench.story.happened if kind == "write"]
    assert writes
    for each in writes:
        assert "voice-agent" in [service.name for service in each.services if service.mode.gpus]
    recorded = [each for kind, what in bench.story.happened if kind != "write" for each in what]
    order = next(each for each in recorded if each.subject == "service voice-agent")
    assert order.seq == 4
    first_write = bench.story.kinds().index("write")
    noted = [each for kind, what in bench.story.happened[:first_write] if kind != "write" for each in what]
    assert order in noted


def test_the_ladder_goes_plan_rules_safe_state(bench: Bench) -> None:
    assert bench.run(work=None).decided.level is Level.SAFE_STATE
    assert bench.run().decided.level is Level.RULES
    bench.ladder.take(bench.plan(hours=0.02))
    assert bench.run().decided.level is Level.OPTIMAL
    assert bench.run().decided.level is Level.OPTIMAL
    assert bench.run().decided.level is Level.RULES
    levels = [
        e.order_text for kind, what in bench.story.happened if kind == "commit" for e in what if e.subject == "level"
    ]
    assert levels == ["rules"]


def test_a_plan_of_a_later_time_is_not_followed_when_the_clock_is_set_back(bench: Bench) -> None:
    plan = bench.plan()
    bench.ladder.take(replace(plan, made_utc=plan.made_utc + timedelta(hours=1)))
    assert bench.run().decided.level is Level.RULES


def test_a_plan_waits_for_its_review(bench: Bench) -> None:
    plan = bench.plan(review="pending")
    bench.ladder.take(plan)
    assert bench.run().decided.level is Level.RULES
    bench.story.inbox = Inbox(reviews=((plan.id, "approved"),))
    assert bench.run().decided.level is Level.OPTIMAL
    bench.story.inbox = Inbox(reviews=((plan.id, "rejected"),))
    assert bench.run().decided.level is Level.RULES


def test_a_plan_that_cannot_be_followed_falls_to_the_rules(bench: Bench) -> None:
    plan = bench.plan()
    broken = plan.plan.model_copy(
        update={"services": tuple(each.model_copy(update={"modes": ()}) for each in plan.plan.services)}
    )
    bench.ladder.take(replace(plan, plan=broken))
    result = bench.run()
    assert result.decided.level is Level.RULES
    assert "cannot be followed" in result.decided.trouble


def test_nonsense_plans_are_named(bench: Bench) -> None:
    good = bench.plan()
    assert plan_faults(good.plan, good.problem) == ()
    late = good.plan.model_copy(update={"start_utc": START + timedelta(days=1)})
    short = good.plan.model_copy(update={"intervals": good.plan.intervals[1:]})
    first = good.plan.intervals[0]
    strong = first.model_copy(
        update={"gensets": tuple(each.model_copy(update={"kw": 900.0}) for each in first.gensets)}
    )
    wild = good.plan.model_copy(update={"intervals": (strong, *good.plan.intervals[1:])})
    for plan, word in ((late, "intervals"), (short, "intervals"), (wild, "rating")):
        assert any(word in fault for fault in plan_faults(plan, good.problem))


def test_overrides_stand_above_the_plan_and_below_the_guards(bench: Bench) -> None:
    bench.ladder.take(bench.plan())
    orders = (RunGenset(genset="diesel-1"), StopService(service="document-chat"), ShedTier(tier="crew-cabin"))
    bench.story.inbox = Inbox(overrides=tuple(standing(order) for order in orders))
    result = bench.run()
    assert [each.run for each in result.written.gensets] == [True, False]
    assert "document-chat" not in told(result)
    assert result.written.shed_tiers == ("crew-cabin",)
    bench.story.overlay = {"emergency_stop": True}
    assert not any(each.run for each in bench.run().written.gensets)


def standing(order: Order, *, begin: datetime | None = None, until: datetime = START + timedelta(days=1)) -> Standing:
    return Standing(order=order, who="me", from_utc=begin, expires_utc=until)


def test_an_order_acts_in_its_time_only(bench: Bench) -> None:
    bench.ladder.take(bench.plan())
    later = START + timedelta(hours=1)
    bench.story.inbox = Inbox(overrides=(standing(ShedTier(tier="crew-cabin"), begin=later),))
    assert bench.run().written.shed_tiers == ()
    bench.story.inbox = Inbox(overrides=(standing(ShedTier(tier="crew-cabin"), until=START),))
    assert bench.run().written.shed_tiers == ()


def test_guards_do_not_start_a_genset_that_is_disabled(bench: Bench) -> None:
    bench.story.inbox = Inbox(overrides=(standing(Disable(device="genset diesel-1")),))
    bench.story.overlay = {"battery": bench.story.twin.read().battery.model_copy(update={"soc_frac": 0.12})}  # type: ignore[union-attr]
    for _ in range(3):
        result = bench.run()
    assert [each.name for each in result.guarded.setpoints.gensets if each.run] == ["diesel-2"]
    assert all(each.remote_allowed for each in result.guarded.snapshot.gensets)
    bench.story.inbox = Inbox()
    for _ in range(3):
        result = bench.run()
    assert [each.name for each in result.guarded.setpoints.gensets if each.run] == ["diesel-1", "diesel-2"]


def test_rules_keep_to_orders_too(bench: Bench) -> None:
    bench.story.inbox = Inbox(jobs=(LiveJob(name="a", state="queued", done_frac=0.0, who="me", job=job("a")),))
    assert [each.name for each in bench.run().guarded.setpoints.jobs] == ["a"]
    bench.story.inbox = replace(bench.story.inbox, overrides=(standing(HoldJob(job="a")),))
    result = bench.run()
    assert result.decided.level is Level.RULES
    assert result.decided.setpoints.jobs == ()


def test_jobs_come_run_end_and_are_recorded(bench: Bench) -> None:
    bench.book.stream(prepared().jobs)
    bench.story.inbox = Inbox(
        jobs=(LiveJob(name="mine", state="queued", done_frac=0.0, who="me", job=job("mine", work_gpu_h=1.0)),)
    )
    for _ in range(45):
        bench.run()
    submitted = [each.job.name for each in bench.story.posted if isinstance(each, JobSubmitted)]
    assert submitted == ["stream-1", "stream-2"]
    events = [each.event for each in bench.story.posted if isinstance(each, JobProgress) and each.name == "mine"]
    assert [event for event in events if event] == ["started", "done"]
    assert "mine" not in bench.book.jobs
    assert "mine" in bench.story.twin.state.jobs  # the store still says that it waits
    bench.story.inbox = Inbox()
    bench.run()
    assert "mine" not in bench.book.jobs
    assert "mine" not in bench.story.twin.state.jobs


def test_a_daemon_killed_before_it_recorded_an_end_does_not_run_the_job_again(bench: Bench) -> None:
    bench.story.inbox = Inbox(
        jobs=(LiveJob(name="mine", state="queued", done_frac=0.0, who="me", job=job("mine", work_gpu_h=1.0)),)
    )
    while "mine" in bench.book.jobs or not bench.story.posted:
        bench.run()
    again = Bench()
    again.story.twin, again.story.inbox = bench.story.twin, bench.story.inbox
    result = again.run()
    assert "mine" not in [each.name for each in result.written.jobs]
    ends = [each for each in again.story.posted if isinstance(each, JobProgress) and each.event == "done"]
    assert [each.name for each in ends] == ["mine"]


def test_an_order_that_came_too_late_for_its_job_is_not_marked_as_acted_on(bench: Bench) -> None:
    live = LiveJob(name="mine", state="queued", done_frac=0.0, who="me", job=job("mine", work_gpu_h=1.0))
    bench.story.inbox = Inbox(jobs=(live,))
    bench.run()
    bench.story.takes = False
    bench.ladder.take(bench.plan())  # a plan without the job: it is to pause, and the store does not take it
    bench.run()
    reading = bench.story.read().jobs[0].model_copy(update={"state": "done", "done_frac": 1.0})
    bench.story.overlay = {"jobs": (reading,)}
    bench.run()
    orders = [each for _, entries in bench.story.late for each in entries if isinstance(each, DecisionEntry)]
    for done, _ in bench.story.late:
        done.set_result(None)
    bench.story.posted.clear()
    bench.run()
    acted = {name for each in bench.story.posted if isinstance(each, ActedEntry) for name in each.ids}
    (pause,) = [each for each in orders if each.subject == "job mine"]
    assert pause.order_text == "pause"
    assert pause.id not in acted


def test_a_cancelled_job_leaves_the_runner(bench: Bench) -> None:
    bench.story.inbox = Inbox(jobs=(LiveJob(name="mine", state="queued", done_frac=0.0, who="me", job=job("mine")),))
    bench.run()
    assert "mine" in bench.story.twin.state.jobs
    bench.story.inbox = Inbox(cancelled=("mine",))
    bench.run()
    assert "mine" not in bench.story.twin.state.jobs
    assert bench.book.left() == ()


def test_what_a_person_should_know_becomes_an_alarm_once(bench: Bench) -> None:
    bench.story.overlay = {"inlet_c": 37.0}
    for _ in range(3):
        bench.run()
    raised = [each for each in bench.story.posted if isinstance(each, AlarmRaised)]
    assert [(each.code, each.severity) for each in raised] == [("INLET_HOT", "warning")]
    assert sum(isinstance(each, NowEntry) for each in bench.story.posted) == 3


def test_loss_of_the_genset_at_full_load_is_answered_in_the_next_cycle(bench: Bench) -> None:
    """With the battery at its hard limit, the only source goes: pauses and lowest limits are written within one cycle."""
    story = bench.story
    plant = story.twin.state.plant
    battery = plant.battery._replace(soc_frac=SITE.battery.soc_min_frac)  # type: ignore[union-attr]
    full = plant.gensets[0]._replace(state=gen.RUNNING, phase_s=100.0, power_kw=60.0)
    story.twin.state = replace(
        story.twin.state,
        at_utc=START + timedelta(hours=12),
        plant=plant._replace(battery=battery, gensets=(full, full)),
    )
    story.inbox = Inbox(
        jobs=tuple(LiveJob(name=n, state="queued", done_frac=0.0, who="me", job=job(n)) for n in ("a", "b", "c"))
    )
    story.overlay = {"battery": story.twin.read().battery.model_copy(update={"soc_frac": 0.5, "power_kw": 5.0})}  # type: ignore[union-attr]
    bench.ladder.take(bench.plan(*(job(n) for n in ("a", "b", "c"))))
    before = [bench.run(step_s=1.0) for _ in range(3)][-1]
    assert before.written.jobs
    plant = story.twin.state.plant
    story.twin.state = replace(
        story.twin.state, plant=plant._replace(gensets=tuple(gen.trip(each) for each in plant.gensets))
    )
    story.twin.step(1.0)
    assert story.twin.read().ups_soc_frac < 1.0  # type: ignore[operator]
    story.overlay = {"battery": None}
    answer = bench.run(step_s=1.0)
    floor = gpu_spec("h100-pcie").limits.min_limit_w
    assert len(answer.written.jobs) < len(before.written.jobs)
    assert all(each.limit_w <= floor for each in answer.written.jobs)
    assert "SHORTAGE" in {reason.reason_code for reason in answer.guarded.reasons}
    for _ in range(8):
        answer = bench.run(step_s=1.0)
    assert answer.written.jobs == ()
    assert {"crew-cabin", "storage-servers"} <= set(answer.written.shed_tiers)
    assert "voice-agent" in told(answer)
