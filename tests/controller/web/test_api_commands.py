"""Commands of the HTTP interface: each with its effect, its answer as described, its audit line; who may not, may not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from controller.access.roles import Role
from controller.overrides.orders import ForbidGenset, Standing
from controller.records.access import Access
from controller.records.commands import Commands
from controller.records.reading import Reader
from controller.web.api_commands import COMMANDS
from controller.web.app import make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from sites.ports import SystemClock
from tests.controller.web.answering import answering
from tests.controller.web.conftest import TestClient
from tests.controller.web.container_day import Day, container_day, write_day
from tests.controller.web.test_actions import worked_out

PLAN = "a" * 32
ORDER = {"order": {"kind": "forbid_genset", "genset": "diesel-1"}, "hours": 2, "why": "noise"}
GIVEN = {**ORDER, "unchecked": True}
JOB = {
    "name": "tune-7", "profile": "training", "pools": [{"pool": "h100", "speed": 1.0}], "work_gpu_h": 4.0,
    "gpus_max": 8.0, "value_usd": 30.0, "deadline_utc": "2025-01-16T12:00",
}  # fmt: skip


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


@pytest.fixture
def client(url: str, day: Day) -> Iterator[TestClient]:
    reader, gate = DeskReader(url, day.site, SystemClock()), Gate(url, "container", SystemClock(), local=True)
    yield TestClient(make_app(reader, gate), follow_redirects=False)
    reader.close()
    gate.close()


def bearer(url: str, name: str, role: Role) -> dict[str, str]:
    with Access(url, "container") as access:
        token = access.add(name, role, by="root", by_role="shell", now=SystemClock().now_utc())
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def asha(url: str) -> dict[str, str]:
    return bearer(url, "asha", Role.OPERATOR)


def post(client: TestClient, path: str, who: dict[str, str], document: Any = None, **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, json={} if document is None else document, headers={**who, **sent})


def as_described(client: TestClient, who: dict[str, str], path: str, answer: Any) -> None:
    """Check an answer against the description of a command, and that its status is one that is described."""
    described = client.get("/v1/openapi.json", headers=who).json()
    responses = described["paths"][path]["post"]["responses"]
    content = responses[str(answer.status_code)]["content"]
    (media_type,) = content
    assert answer.headers["content-type"] == media_type
    schema = {**content[media_type]["schema"], "components": described["components"]}
    jsonschema.validate(answer.json(), schema)


def test_a_shift_by_program_does_what_the_console_does(client: TestClient, url: str, asha: dict[str, str]) -> None:
    def ask(path: str, address: str, document: Any = None, **headers: str) -> Any:
        answer = post(client, address, asha, document, **headers)
        assert answer.status_code in (200, 201, 202), answer.text
        as_described(client, asha, path, answer)
        return answer

    queued = ask("/v1/jobs", "/v1/jobs", {"jobs": [JOB]})
    assert (queued.status_code, queued.headers["location"]) == (201, "/v1/jobs/tune-7")
    assert queued.json()["jobs"][0]["job"]["deadline_utc"] == "2025-01-16T17:00:00Z"
    why = client.get("/v1/jobs/tune-7", headers=asha).json()["why"]
    assert why["text"].startswith("it came after the plan of")

    hold = {"order": {"kind": "hold_job", "job": "tune-7"}, "hours": 3, "why": "bad data", "unchecked": True}
    held = ask("/v1/overrides", "/v1/overrides", hold, if_match='"0"')
    assert (held.headers["etag"], held.json()["version"]) == ('"1"', 1)
    assert "held by asha" in client.get("/v1/jobs/tune-7", headers=asha).json()["why"]["text"]
    identity = held.json()["overrides"][0]["id"]
    released = ask("/v1/overrides/{id}/withdraw", f"/v1/overrides/{identity}/withdraw", if_match='"1"')
    assert released.json()["overrides"] == []
    ended = client.get("/v1/overrides", params={"all": "true"}, headers=asha).json()["overrides"]
    assert [each["id"] for each in ended] == [identity]

    asked = ask("/v1/previews", "/v1/previews", ORDER)
    where, version = asked.headers["location"], asked.headers["etag"]
    assert (asked.status_code, asked.json()["state"], version) == (202, "asked", '"2"')
    worked_out(url, asked.json()["id"])
    shown = client.get(where, headers=asha).json()
    assert shown["answer"]["difference"]["after"]["net_cost_usd"] == 130.0
    given = ask("/v1/previews/{id}/give", f"{where}/give", if_match=version)
    assert [each["subject"] for each in given.json()["overrides"]] == ["genset diesel-1"]

    comes = {"at_utc": "2025-01-17T15:00:00Z", "litres": 800, "usd_per_l": 1.6}
    fuel = ask("/v1/deliveries", "/v1/deliveries", comes, if_match=given.headers["etag"])
    (delivery,) = fuel.json()["deliveries"]
    assert (delivery["litres"], delivery["who"]) == (800.0, "asha")
    gone = ask(
        "/v1/deliveries/{id}/withdraw", f"/v1/deliveries/{delivery['id']}/withdraw", if_match=fuel.headers["etag"]
    )
    assert gone.json()["deliveries"] == []

    plan = ask("/v1/plans/{id}/reject", f"/v1/plans/{PLAN}/reject", {"why": "too dear"})
    assert plan.json()["review"] == "rejected"
    alarm = client.get("/v1/alarms", headers=asha).json()["alarms"][0]
    seen = ask("/v1/alarms/{id}/acknowledge", f"/v1/alarms/{alarm['id']}/acknowledge")
    assert seen.json()["acknowledged_by"] == "asha"
    assert ask("/v1/jobs/{name}/cancel", "/v1/jobs/tune-7/cancel").json()["state"] == "cancelled"

    audit = client.get("/v1/audit", headers=asha).json()["entries"]
    mine = [each for each in audit if each["who"] == "asha" and each["role"] == "operator"]
    assert sorted(each["action"] for each in mine) == sorted(
        ["jobs submit", "override", "override withdrawn", "override", "fuel delivery", "fuel delivery withdrawn",
         "review rejected", "alarm acknowledged", "jobs cancel"]
    )  # fmt: skip


def addressed(path: str) -> str:
    return path.replace("{id}", PLAN).replace("{name}", "tune-7")


@pytest.mark.parametrize("path", [each.path for each in COMMANDS])
def test_only_an_operator_with_a_token_or_a_form_of_ours_commands(
    client: TestClient, url: str, asha: dict[str, str], path: str
) -> None:
    viewer = bearer(url, "vera", Role.VIEWER)
    before = dump(url)
    assert post(client, addressed(path), {}).status_code == 401
    refused = post(client, addressed(path), viewer)
    assert refused.status_code == 403
    as_described(client, viewer, path, refused)
    client.post("/login", data={"token": asha["authorization"].removeprefix("Bearer "), "next": "/"})
    assert post(client, addressed(path), {}).status_code == 403
    assert dump(url) == before
    with Reader(url, "container") as reader:
        assert [each.who for each in reader.audit() if each.outcome == "refused" and each.who == "vera"] == ["vera"]


def dump(url: str) -> tuple[object, ...]:
    """Return everything that commands change."""
    with Reader(url, "container") as reader:
        return reader.jobs(), reader.overrides(), reader.deliveries(), reader.pending_plans(), reader.alarms()


def test_a_browsers_session_commands_with_the_token_of_its_forms(client: TestClient, asha: dict[str, str]) -> None:
    client.post("/login", data={"token": asha["authorization"].removeprefix("Bearer "), "next": "/"})
    token = client.get("/v1/me").json()["csrf"]
    assert post(client, f"/v1/plans/{PLAN}/approve", {}, x_csrf_token=token).json()["review"] == "approved"


@pytest.mark.parametrize("path", [each.path for each in COMMANDS if each.locks])
def test_a_command_about_orders_has_to_say_what_it_has_seen(
    client: TestClient, url: str, asha: dict[str, str], path: str
) -> None:
    before = dump(url)
    document = GIVEN if path == "/v1/overrides" else {"at_utc": "2025-01-17T15:00:00Z", "litres": 10}
    sent = document if path in ("/v1/overrides", "/v1/deliveries") else {}
    silent = post(client, addressed(path), asha, sent)
    assert silent.status_code == 428
    as_described(client, asha, path, silent)
    assert post(client, addressed(path), asha, sent, if_match='"soon"').status_code == 412
    assert dump(url) == before


def test_of_two_programs_the_second_is_told_who_was_quicker(client: TestClient, url: str, asha: dict[str, str]) -> None:
    bob = bearer(url, "bob", Role.OPERATOR)
    version = client.get("/v1/overrides", headers=bob).headers["etag"]
    assert post(client, "/v1/overrides", asha, GIVEN, if_match=version).status_code == 201
    other = {**GIVEN, "order": {"kind": "forbid_genset", "genset": "diesel-2"}}
    told = post(client, "/v1/overrides", bob, other, if_match=version)
    assert told.status_code == 412
    assert "asha: genset diesel-1 stop" in told.json()["detail"]
    as_described(client, bob, "/v1/overrides", told)
    delivery = {"at_utc": "2025-01-17T15:00:00Z", "litres": 100}
    assert post(client, "/v1/deliveries", bob, delivery, if_match=version).status_code == 412
    newest = client.get("/v1/overrides", headers=bob).headers["etag"]
    assert post(client, "/v1/overrides", bob, other, if_match=newest).status_code == 201
    assert post(client, f"/v1/plans/{PLAN}/approve", asha).status_code == 200
    late = post(client, f"/v1/plans/{PLAN}/reject", bob, {"why": "too dear"})
    assert (late.status_code, late.json()["title"]) == (409, "Changed meanwhile")


def test_of_many_at_once_exactly_one_is_heard(client: TestClient, url: str, asha: dict[str, str]) -> None:
    codes: list[int] = []
    together = threading.Barrier(6)

    def give(number: int) -> None:
        order = {**GIVEN, "order": {"kind": "cap_pool", "pool": "h100", "limit_w": 250 + number}}
        together.wait()
        codes.append(post(client, "/v1/overrides", asha, order, if_match='"0"').status_code)

    threads = [threading.Thread(target=give, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes)[:1] == [201]
    assert set(codes[1:] + codes[:1]) <= {201, 412, 422}
    assert codes.count(201) == 1
    with Reader(url, "container") as reader:
        assert len(reader.overrides()) == 1


@pytest.mark.parametrize(
    ("path", "document", "field", "mend"),
    [
        ("/v1/jobs", {**JOB, "pools": [{"pool": "moon", "speed": 1}]}, "tune-7.pools", "h100"),
        ("/v1/jobs", {**JOB, "deadline_utc": "2024-01-16T12:00"}, "", "deadline_utc is not after"),
        ("/v1/jobs", [JOB, {**JOB, "work_gpu_h": -1}], "work_gpu_h", "greater than 0"),
        ("/v1/overrides", {**ORDER, "order": {"kind": "forbid_genset", "genset": "x"}}, "genset", "diesel-1, diesel-2"),
        ("/v1/overrides", {**ORDER, "order": {"kind": "hold_soc", "soc_frac": 0.01}}, "soc", "the cells allow it to"),
        ("/v1/overrides", {**ORDER, "order": {"kind": "explode"}}, "order", "forbid_genset"),
        ("/v1/overrides", {**ORDER, "why": ""}, "why", ""),
        ("/v1/overrides", {**ORDER, "expires_utc": "2025-01-15T20:00:00Z"}, "", "either hours or expires_utc"),
        ("/v1/overrides", {**ORDER, "hours": 1000}, "hours", "168"),
        ("/v1/deliveries", {"at_utc": "2025-01-17T15:00:00Z", "litres": 1e9}, "litres", "of the tank"),
        ("/v1/deliveries", {"at_utc": "2035-01-17T15:00:00Z", "litres": 100}, "at", "366 days"),
        ("/v1/deliveries", {"at_utc": "2025-01-17T15:00:00", "litres": 100}, "at_utc", "offset"),
    ],
)
def test_what_cannot_be_is_refused_with_each_fault_and_its_mend(
    client: TestClient, url: str, asha: dict[str, str], path: str, document: Any, field: str, mend: str
) -> None:
    before = dump(url)
    answer = post(client, path, asha, document, if_match="*")
    assert answer.status_code == 422, answer.text
    as_described(client, asha, path, answer)
    assert any(field in fault["field"] and mend in fault["mend"] for fault in answer.json()["faults"]), answer.json()
    assert dump(url) == before


def test_what_is_no_json_is_told_apart(client: TestClient, asha: dict[str, str]) -> None:
    text = client.post("/v1/jobs", content="name=tune", headers={**asha, "content-type": "text/plain"})
    assert text.status_code == 415
    broken = client.post("/v1/jobs", content="{", headers={**asha, "content-type": "application/json"})
    assert broken.status_code == 400
    assert client.post("/v1/now", headers=asha).status_code == 405


def test_an_order_that_would_break_physics_is_not_given(client: TestClient, url: str, asha: dict[str, str]) -> None:
    asked = post(client, "/v1/previews", asha, ORDER)
    worked_out(url, asked.json()["id"], faults=("the battery would be empty at 04:00",))
    answer = post(client, f"{asked.headers['location']}/give", asha, if_match="*")
    assert answer.status_code == 422
    assert "empty at 04:00" in answer.json()["detail"]
    assert "no order near it works" in answer.json()["detail"]


def test_an_order_given_without_a_preview_is_checked_against_a_plan_all_the_same(
    client: TestClient, url: str, asha: dict[str, str], day: Day
) -> None:
    nearest = Standing(order=ForbidGenset(genset="diesel-1"), expires_utc=day.snapshot.at_utc + timedelta(minutes=30))
    before = dump(url)
    with answering(url, faults=("the battery would be empty at 04:00",), nearest=nearest):
        refused = post(client, "/v1/overrides", asha, ORDER, if_match="*")
    assert refused.status_code == 422
    as_described(client, asha, "/v1/overrides", refused)
    (fault,) = refused.json()["faults"]
    assert "empty at 04:00" in fault["found"]
    assert "Keep genset diesel-1 off, until Wed 15 Jan 12:34 EST" in fault["mend"]
    nobody = post(client, "/v1/overrides", asha, ORDER, if_match="*")
    assert nobody.status_code == 422
    assert "no answer of the planner" in nobody.json()["detail"]
    assert dump(url) == before
    with answering(url):
        assert post(client, "/v1/overrides", asha, ORDER, if_match='"0"').status_code == 201
        assert post(client, "/v1/overrides", asha, ORDER, if_match='"0"').status_code in (412, 422)


def test_every_command_of_the_console_has_its_twin(client: TestClient, asha: dict[str, str], day: Day) -> None:
    """Each form's address has a described command that ends alike."""
    from controller.web.actions import Actions

    described = client.get("/v1/openapi.json", headers=asha).json()["paths"]
    commands = {path for path, operations in described.items() if "post" in operations}
    assert commands == {each.path for each in COMMANDS}
    forms = Actions(DeskReader("sqlite:///none.sqlite", day.site, SystemClock())).routes()
    assert {path.replace("/review/", "/plans/") for path in forms} <= {path.removeprefix("/v1") for path in commands}


def test_an_order_may_begin_later_and_stands_from_then(client: TestClient, url: str, asha: dict[str, str]) -> None:
    answer = post(client, "/v1/overrides", asha, {**GIVEN, "from_utc": "2025-01-16T03:00:00Z"}, if_match="*")
    (given,) = answer.json()["overrides"]
    assert given["from_utc"] == "2025-01-16T03:00:00Z"
    assert given["expires_utc"] == "2025-01-16T05:00:00Z"
    with Reader(url, "container") as reader:
        (standing,) = [each.standing for each in reader.overrides()]
    assert standing.expires_utc - (standing.from_utc or standing.expires_utc) == timedelta(hours=2)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/jobs", b"[" * 3000, {}, 400),
        ("/v1/previews", b'{"order":' * 2000, {}, 400),
        ("/v1/jobs", b'{"jobs": [{"name": "a\\ud800"}]}', {}, 422),
        ("/v1/overrides", b'{"order": {"kind": "hold_job", "job": "tune-7"}, "hours": 3, "why": "a\\ud800"}', {}, 422),
        ("/v1/jobs/a/cancel", b"\xff\xfe\x00", {}, 400),
        ("/v1/overrides/a/withdraw", b"", {"if-match": '"' + "9" * 5000 + '"'}, 412),
    ],
)
def test_what_no_program_should_send_is_refused(
    client: TestClient, asha: dict[str, str], path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    sent = {**asha, "content-type": "application/json", "if-match": "*", **headers}
    answer = client.post(path, content=body, headers=sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
