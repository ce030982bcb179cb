"""Commands in the console: only an operator's, only from a form of ours, each with its effect in the store and its audit line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from controller.access.roles import Role
from controller.overrides.comparing import Difference, PlanFigures, PreviewAnswer
from controller.overrides.giving import give_order
from controller.overrides.orders import ForbidGenset, Standing
from controller.records.access import Access
from controller.records.commands import Commands
from controller.records.entries import PreviewEntry
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from controller.records.store import open_engine
from controller.records.views import StoredPreview
from controller.records.writing import write_entry
from controller.web.app import make_app
from controller.web.desk import Desk, DeskReader
from controller.web.gate import Gate
from controller.web.preview_page import preview_forms, preview_page
from sites.ports import SystemClock
from tests.controller.web.conftest import TestClient
from tests.controller.web.container_day import Day, container_day, write_day


class Forms(HTMLParser):
    """Collects the forms of a page: action and what each sends as it stands."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._open = ""
        self.feed(words)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._open = given["action"]
            self.found[self._open] = {}
        elif tag in ("input", "select") and self._open and "name" in given and given.get("type") != "checkbox":
            self.found[self._open][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = ""


@pytest.fixture
def day() -> Day:
    return container_day()


@pytest.fixture
def url(tmp_path: Path, day: Day) -> str:
    address = f"sqlite:///{tmp_path / 'a.sqlite'}"
    write_day(address, day, review="pending")
    with Commands(address, "container") as commands:
        commands.submit_jobs(day.problem.jobs[:1], who="ann", at_utc=day.snapshot.at_utc)
    return address


def visitor(url: str, day: Day, role: Role | None) -> Iterator[TestClient]:
    reader, gate = DeskReader(url, day.site, SystemClock()), Gate(url, "container", SystemClock(), local=True)
    client = TestClient(make_app(reader, gate), follow_redirects=False)
    if role is not None:
        with Access(url, "container") as access:
            token = access.add(
                "vera" if role is Role.VIEWER else "asha", role, by="root", by_role="shell", now=SystemClock().now_utc()
            )
        client.post("/login", data={"token": token, "next": "/"})
    yield client
    reader.close()
    gate.close()


@pytest.fixture
def operator(url: str, day: Day) -> Iterator[TestClient]:
    yield from visitor(url, day, Role.OPERATOR)


@pytest.fixture
def viewer(url: str, day: Day) -> Iterator[TestClient]:
    yield from visitor(url, day, Role.VIEWER)


def send(client: TestClient, page: str, action: str, **fields: str) -> str:
    """Fill in a form as a page shows it; return where it leads."""
    form = Forms(client.get(page).text).found[action]
    answer = client.post(action, data={**form, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize(("verb", "why", "review"), [("approve", "", "approved"), ("reject", "too dear", "rejected")])
def test_a_plan_that_waits_is_judged(operator: TestClient, url: str, verb: str, why: str, review: str) -> None:
    with Reader(url, "container") as reader:
        (waits,) = reader.pending_plans()
        sent = {"why": why} if why else {}
        assert send(operator, "/review", f"/review/{waits.id}/{verb}", **sent) == "/review"
        assert reader.pending_plans() == ()
        (verdict,) = reader.reviews()
        assert (verdict.who, verdict.verdict, verdict.why) == ("asha", review, why)
        assert reader.audit()[0].role == "operator"
    again = operator.post(f"/review/{waits.id}/approve", data=Forms(operator.get("/review").text).found["/previews"])
    assert again.status_code == 409
    assert "only a pending plan" in again.text


def test_a_plan_that_waits_is_judged_where_it_is_read(operator: TestClient, viewer: TestClient, url: str) -> None:
    with Reader(url, "container") as reader:
        (waits,) = reader.pending_plans()
        assert "Approve" not in viewer.get(f"/plans/{waits.id}").text
        send(operator, f"/plans/{waits.id}", f"/review/{waits.id}/approve")
        assert reader.pending_plans() == ()
    assert "/approve" not in operator.get(f"/plans/{waits.id}").text


def test_what_can_be_done_stands_above_what_was(operator: TestClient) -> None:
    words = operator.get("/review").text
    assert words.index("What you can do") < words.index("Plans of the last two days")


def test_an_order_is_previewed_confirmed_and_withdrawn(operator: TestClient, url: str, day: Day) -> None:
    asked = {"subject": "genset diesel-1", "order": "stop", "hours": "3", "why": "noise"}
    where = send(operator, "/review", "/previews", **asked)
    waiting = operator.get(where)
    assert waiting.headers["refresh"] == "2"
    assert "Keep genset diesel-1 off" in waiting.text
    assert "Give this order" not in waiting.text
    with Reader(url, "container") as reader:
        assert reader.overrides() == ()
        preview = reader.preview(where.rsplit("/", 1)[1])
        assert preview is not None
        form = Forms(operator.get("/review").text).found["/previews"]
        sent = {"csrf": form["csrf"], "seen": str(preview.version)}
        early = operator.post(f"{where}/give", data=sent)
        assert (early.status_code, reader.overrides()) == (422, ())
        assert "wait until it is worked out" in early.text
        worked_out(url, preview.id)
        assert operator.post(f"{where}/give", data=sent).status_code == 303
        (standing,) = reader.overrides()
        assert (standing.subject, standing.who, standing.why) == ("genset diesel-1", "asha", "noise")
        assert standing.expires_utc - standing.at_utc == timedelta(hours=3)
        send(operator, "/review", f"/overrides/{standing.id}/withdraw")
        assert reader.overrides(day.snapshot.at_utc) == ()
        told = {(entry.who, entry.role, entry.action) for entry in reader.audit()}
    assert {("asha", "operator", "override"), ("asha", "operator", "override withdrawn")} <= told


def test_of_two_people_the_second_is_told(operator: TestClient, url: str, day: Day) -> None:
    with OverrideCommands(url, "container") as commands:
        seen = commands.version()
    standing = Standing(order=ForbidGenset(genset="diesel-2"), expires_utc=day.snapshot.at_utc + timedelta(hours=2))
    form = Forms(operator.get("/review").text).found["/previews"]
    where = send(operator, "/review", "/previews", subject="genset diesel-1", order="stop", hours="1", why="noise")
    give_order(url, day.site, standing, who="bob", why="service", now=day.snapshot.at_utc)
    worked_out(url, where.rsplit("/", 1)[1])
    answer = operator.post(f"{where}/give", data={"csrf": form["csrf"], "seen": str(seen)})
    assert answer.status_code == 409
    assert "somebody was quicker" in answer.text
    assert "bob" in answer.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subject": "genset diesel-9", "order": "stop"}, "diesel-1, diesel-2"),
        ({"subject": "genset diesel-1", "order": "explode"}, "run, stop or disable"),
        ({"subject": "battery", "order": "hold 60", "hours": "1000"}, "hours"),
        ({"subject": "genset diesel-1", "order": "stop", "why": ""}, "why"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_the_mend(
    operator: TestClient, fields: dict[str, str], words: str
) -> None:
    form = Forms(operator.get("/review").text).found["/previews"]
    answer = operator.post("/previews", data={**form, "hours": "2", "why": "noise", **fields})
    assert answer.status_code == 422
    assert words in answer.text


def test_a_job_is_cancelled_from_its_page(operator: TestClient, url: str, day: Day) -> None:
    name = day.problem.jobs[0].name
    page = operator.get(f"/jobs/{name}").text
    assert "Force now" in page
    assert "the cost of forcing is shown first" in page
    assert send(operator, f"/jobs/{name}", f"/jobs/{name}/cancel") == "/jobs"
    with Reader(url, "container") as reader:
        job = reader.job(name)
    assert job is not None
    assert job.state == "cancelled"


def test_a_viewer_sees_no_forms_and_may_not_send_them(viewer: TestClient, url: str) -> None:
    assert set(Forms(viewer.get("/review").text).found) == {"/logout"}
    with Reader(url, "container") as reader:
        (waits,) = reader.pending_plans()
        assert viewer.post(f"/review/{waits.id}/approve").status_code == 403
        assert reader.pending_plans() == (waits,)


def test_a_form_without_its_token_is_refused(operator: TestClient, url: str) -> None:
    with Reader(url, "container") as reader:
        (waits,) = reader.pending_plans()
        assert operator.post(f"/review/{waits.id}/approve", data={"why": ""}).status_code == 403
        assert reader.pending_plans() == (waits,)


def worked_out(url: str, preview_id: str, *, faults: tuple[str, ...] = (), nearest: Standing | None = None) -> None:
    """Answer a preview as the planner would."""
    difference = None if faults else Difference(before=figures(), after=figures(net_cost_usd=130.0))
    answer = PreviewAnswer(difference=difference, faults=faults, nearest=nearest)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        write_entry(session, "container", PreviewEntry(id=preview_id, state="done", progress="", answer=answer))
        session.commit()
    engine.dispose()


def figures(**changed: float) -> PlanFigures:
    usual = {
        "net_cost_usd": 100.0,
        "gap_usd": 2.0,
        "fuel_l": 40.0,
        "genset_starts": 1,
        "soc_low_frac": 0.3,
        "not_served_kwh": 0.0,
        "unserved_requests": 0.0,
        "late_h": 1.0,
        "jobs_late": 1,
        "feasible": True,
    }
    return PlanFigures.model_validate({**usual, **changed})


@pytest.mark.parametrize("works", [True, False])
def test_a_preview_shows_cost_fuel_and_lateness_or_the_nearest_that_works(day: Day, works: bool) -> None:
    now = day.snapshot.at_utc
    order = Standing(order=ForbidGenset(genset="diesel-1"), expires_utc=now + timedelta(hours=2))
    answer = (
        PreviewAnswer(
            difference=Difference(before=figures(), after=figures(net_cost_usd=130.0, fuel_l=10.0, late_h=5.0))
        )
        if works
        else PreviewAnswer(faults=("The battery would be empty at 04:00.",), nearest=order)
    )
    preview = StoredPreview(
        id="p",
        asked_utc=now,
        who="asha",
        why="noise",
        version=3,
        state="done",
        progress="",
        standing=order,
        answer=answer,
    )
    page = preview_page(preview, Desk(site=day.site))
    shown = {fact.name: fact.value for fact in page.facts}
    if works:
        assert shown == {"Costs more": "$30.00", "Diesel more": "\u221230\u202fL", "Lateness more": "4\u202fh"}
        assert [form.action for form in preview_forms(preview)] == ["/previews/p/give"]
    else:
        assert "would be empty" in page.sections[0].words
        assert "nearest that works: Keep genset diesel-1 off" in page.sections[0].words
        (offer,) = preview_forms(preview)
        assert offer.button == "Show what it changes"
        assert Standing.model_validate_json(offer.fields[0].value) == order


def test_the_nearest_that_works_is_one_button_away(operator: TestClient, url: str, day: Day) -> None:
    nearest = Standing(order=ForbidGenset(genset="diesel-2"), expires_utc=day.snapshot.at_utc + timedelta(hours=1))
    where = send(operator, "/review", "/previews", subject="genset diesel-1", order="stop", hours="3", why="noise")
    worked_out(url, where.rsplit("/", 1)[1], faults=("the battery would be empty at 04:00",), nearest=nearest)
    second = send(operator, where, "/previews")
    with Reader(url, "container") as reader:
        asked = reader.preview(second.rsplit("/", 1)[1])
    assert asked is not None
    assert (asked.standing, asked.why) == (nearest, "noise")


def test_what_the_planner_cannot_answer_may_be_given_as_it_is(operator: TestClient, url: str) -> None:
    asked = {"subject": "genset diesel-1", "order": "stop", "hours": "3", "why": "crew in the engine room"}
    where = send(operator, "/review", "/previews", **asked)
    assert "Give it all the same" not in operator.get(where).text
    sent = {"csrf": Forms(operator.get("/review").text).found["/previews"]["csrf"], "seen": "0", "unchecked": "yes"}
    with Reader(url, "container") as reader:
        assert operator.post(f"{where}/give", data=sent).status_code == 422
        assert reader.overrides() == ()
        failed = PreviewEntry(id=where.rsplit("/", 1)[1], state="failed", progress="it could not be worked out")
        engine = open_engine(url, durable=False)
        with Session(engine) as session:
            write_entry(session, "container", failed)
            session.commit()
        engine.dispose()
        assert send(operator, where, f"{where}/give") == "/review"
        assert [each.why for each in reader.overrides()] == ["crew in the engine room"]
        assert any("no plan was made under it" in each.detail for each in reader.audit())


def test_a_job_is_submitted_set_to_a_time_and_released(operator: TestClient, url: str) -> None:
    fields = {"name": "tune-7", "profile": "training", "pool": "h100", "work_gpu_h": "4", "gpus_max": "8", "hard": "on"}
    where = send(operator, "/jobs", "/jobs", **fields, deadline_utc="2025-01-16T12:00", release_utc="")
    assert where == "/jobs/tune-7"
    with Reader(url, "container") as reader:
        job = reader.job("tune-7")
        assert job is not None
        assert (job.job.hard, job.job.preemptible, job.job.deadline_utc.hour, job.who) == (True, True, 17, "asha")
        csrf = Forms(operator.get(where).text).found["/previews"]["csrf"]
        asked = operator.post(
            "/previews",
            data={
                "csrf": csrf,
                "subject": "job tune-7",
                "order": "start",
                "at": "2025-01-15T15:00",
                "hours": "24",
                "why": "w",
            },
        )
        preview = asked.headers["location"]
        worked_out(url, preview.rsplit("/", 1)[1])
        send(operator, preview, f"{preview}/give")
        (given,) = reader.overrides()
        assert given.order_text == "start at 2025-01-15 20:00Z"
        page = operator.get(where).text
        assert "Leave the time to the plan" in page
        assert "set its start to Wed 15 Jan 15:00" in page
        assert send(operator, where, f"/overrides/{given.id}/withdraw") == where
        assert "Force now" in operator.get(where).text
    again = operator.post("/jobs", data={"csrf": csrf, **fields, "value_usd": "1", "deadline_utc": "2025-01-16T12:00"})
    assert again.status_code == 422
    assert "a name that no other has had" in " ".join(again.text.split()), again.text


def test_a_delivery_is_shown_with_its_effect_announced_and_withdrawn(operator: TestClient, url: str) -> None:
    shown = "/fuel/delivery?at=2025-01-17T09%3A00&litres=800&usd_per_l="
    words = operator.get(shown).text
    assert "Days left with it" in words
    assert "Nothing is announced yet" in words
    assert send(operator, shown, "/deliveries") == "/fuel"
    with Reader(url, "container") as reader:
        (delivery,) = reader.deliveries()
        assert (delivery.litres, delivery.at_utc.isoformat()) == (800.0, "2025-01-17T14:00:00+00:00")
        assert "Next delivery" in operator.get("/fuel").text
        stale = Forms(operator.get("/fuel").text).found[f"/deliveries/{delivery.id}/withdraw"]
        send(operator, shown, "/deliveries")
        late = operator.post(f"/deliveries/{delivery.id}/withdraw", data=stale)
        assert late.status_code == 409
        assert "asha: 800 L" in late.text
        send(operator, "/fuel", f"/deliveries/{delivery.id}/withdraw")
        assert len(reader.deliveries()) == 1
    assert operator.get("/fuel/delivery?at=soon&litres=800").status_code == 422
    assert operator.get("/fuel/delivery?at=2025-01-17T09%3A00&litres=80000").status_code == 422


def test_an_alarm_is_acknowledged_once(operator: TestClient, url: str) -> None:
    with Reader(url, "container") as reader:
        (alarm,) = reader.alarms()
        assert send(operator, "/alarms", f"/alarms/{alarm.id}/acknowledge") == "/alarms"
        assert reader.alarms()[0].acknowledged_by == "asha"
    assert "I have seen it" not in operator.get("/alarms").text


def test_everybody_sees_who_they_are_and_can_leave(operator: TestClient, viewer: TestClient) -> None:
    assert "You are asha, operator." in operator.get("/fuel").text
    assert "Only operators command." in viewer.get("/fuel").text
    send(viewer, "/fuel", "/logout")
    assert viewer.get("/fuel").status_code == 303


def test_an_order_may_begin_at_a_time(operator: TestClient, url: str) -> None:
    asked = {"subject": "genset diesel-1", "order": "stop", "from": "2025-01-15T22:00", "hours": "8", "why": "night"}
    where = send(operator, "/review", "/previews", **asked)
    with Reader(url, "container") as reader:
        preview = reader.preview(where.rsplit("/", 1)[1])
    assert preview is not None
    standing = preview.standing
    assert standing.from_utc is not None
    assert (standing.from_utc.hour, standing.expires_utc - standing.from_utc) == (3, timedelta(hours=8))
