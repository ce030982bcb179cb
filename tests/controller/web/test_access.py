"""Who may see and command what in the console, by who asks and how."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controller.access.roles import Role
from controller.records.access import Access
from controller.records.reading import Reader
from controller.web.access import asker, csrf, form, needs
from controller.web.app import make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from controller.web.sign_in import local_path
from sites.load import load_site
from sites.ports import ManualClock
from tests.controller.web.conftest import TestClient

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY = {"by": "root", "by_role": "shell", "now": NOW}
Visit = Callable[..., TestClient]


@pytest.fixture
def url(tmp_path: Path, day_store: str) -> str:
    shutil.copy(day_store.removeprefix("sqlite:///"), tmp_path / "a.sqlite")
    return f"sqlite:///{tmp_path / 'a.sqlite'}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def visit(url: str, clock: ManualClock) -> Iterator[Visit]:
    """A console with one command an operator and one an admin may give."""
    opened: list[DeskReader | Gate] = []

    @needs(Role.OPERATOR)
    def greet(request: Request) -> Response:
        return PlainTextResponse(f"{asker(request).name} {form(request).get('word', '')}")

    @needs(Role.ADMIN)
    def rule(request: Request) -> Response:
        return PlainTextResponse("ruled")

    def page(request: Request) -> Response:
        return PlainTextResponse(csrf(request))

    def visitor(*, local: bool = True, token: str = "") -> TestClient:
        reader, gate = DeskReader(url, load_site("container"), clock), Gate(url, "container", clock, local=local)
        opened.extend((reader, gate))
        app = make_app(reader, gate)
        app.router.routes[:0] = [
            Route("/greet", greet, methods=["POST"]),
            Route("/rule", rule, methods=["POST"]),
            Route("/form", page),
        ]
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, headers=headers, follow_redirects=False)

    yield visitor
    for each in opened:
        each.close()


def given(url: str, name: str, role: Role) -> str:
    with Access(url, "container") as access:
        return access.add(name, role, **BY)


def signed_in(client: TestClient, token: str) -> TestClient:
    answer = client.post("/login", data={"token": token, "next": "/jobs"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/jobs"
    return client


def test_before_anybody_holds_a_token_this_machine_may_look_but_not_command(visit: Visit) -> None:
    client = visit()
    assert client.get("/").status_code == client.get("/v1/now").status_code == 200
    assert client.get("/v1/me").json() == {"name": "local", "role": "viewer", "signed_in": False, "csrf": ""}
    assert client.post("/greet").status_code == 401


def test_a_link_does_not_close_the_console_to_lookers(visit: Visit, url: str, clock: ManualClock) -> None:
    with Access(url, "container") as access:
        key = access.link("asha", Role.OPERATOR, **BY)
    client = visit()
    assert client.head("/enter", params={"key": key}).status_code == 200
    assert client.get("/enter", params={"key": key}).headers["location"] == "/"
    assert client.get("/v1/me").json()["role"] == "operator"
    assert visit().get("/enter", params={"key": key}).status_code == 401
    assert visit().get("/").status_code == 200


@pytest.mark.parametrize("local", [True, False])
def test_once_somebody_holds_a_token_everybody_is_asked(visit: Visit, url: str, local: bool) -> None:
    given(url, "asha", Role.OPERATOR)
    client = visit(local=local)
    assert client.get("/jobs").headers["location"] == "/login?next=/jobs"
    for path in ("/v1/now", "/fragments/now", "/v1/openapi.json", "/v1/events"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/healthz", "/login"):
        assert client.get(path).status_code == 200, path


def test_beyond_this_machine_strangers_never_look(visit: Visit) -> None:
    assert visit(local=False).get("/v1/now").status_code == 401


@pytest.mark.parametrize(
    ("role", "look", "greet", "rule"),
    [(Role.VIEWER, 200, 403, 403), (Role.OPERATOR, 200, 200, 403), (Role.ADMIN, 200, 200, 200)],
)
def test_what_each_role_may(visit: Visit, url: str, role: Role, look: int, greet: int, rule: int) -> None:
    client = visit(token=given(url, "asha", role))
    assert client.get("/v1/now").status_code == look
    assert client.post("/greet", data={"word": "hi"}).status_code == greet
    assert client.post("/rule").status_code == rule


def test_a_command_to_an_address_without_a_role_is_closed_to_viewers(visit: Visit, url: str) -> None:
    assert visit(token=given(url, "ben", Role.VIEWER)).post("/v1/plan").status_code == 403
    assert visit(token=given(url, "asha", Role.OPERATOR)).post("/v1/plan").status_code == 405


def test_refused_commands_are_in_the_audit_trail(visit: Visit, url: str) -> None:
    visit(token=given(url, "ben", Role.VIEWER)).post("/greet")
    visit(token=given(url, "asha", Role.OPERATOR)).post("/rule")
    client = visit()
    for _ in range(5):
        client.post("/greet")
    with Reader(url, "container") as reader:
        refused = [(e.who, e.role, e.action) for e in reader.audit() if e.outcome == "refused"]
    assert sorted(refused) == [
        ("", "", "POST /greet"),
        ("asha", "operator", "POST /rule"),
        ("ben", "viewer", "POST /greet"),
    ]


def test_a_session_needs_its_form_token(visit: Visit, url: str) -> None:
    client = signed_in(visit(), given(url, "asha", Role.OPERATOR))
    token = client.get("/form").text
    assert client.post("/greet", data={"word": "hi"}).status_code == 403
    assert client.post("/greet", data={"word": "hi", "csrf": "guess"}).status_code == 403
    assert client.post("/greet", data={"word": "hi", "csrf": token}).text == "asha hi"
    assert client.post("/greet", headers={"x-csrf-token": token}).text == "asha "
    assert client.post("/greet", files={"word": (None, "hi"), "csrf": (None, token)}).text == "asha hi"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_pages_of_other_sites_cannot_command_or_sign_in(visit: Visit, url: str, headers: dict[str, str]) -> None:
    token = given(url, "asha", Role.OPERATOR)
    client = signed_in(visit(), token)
    sent = {"csrf": client.get("/form").text}
    assert client.post("/greet", data=sent, headers=headers).status_code == 403
    assert client.post("/login", data={"token": token}, headers=headers).status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_ends(visit: Visit, url: str, clock: ManualClock) -> None:
    client = visit()
    answer = client.post("/login", data={"token": given(url, "asha", Role.OPERATOR)})
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "max-age=43200", "path=/"))
    assert client.get("/v1/me").json()["signed_in"] is True
    clock.advance(13 * 3600.0)
    assert client.get("/v1/me").status_code == 401


def test_signing_in_again_gives_another_session(visit: Visit, url: str) -> None:
    token = given(url, "asha", Role.OPERATOR)
    client = signed_in(visit(), token)
    first = client.cookies["mdc_session"]
    signed_in(client, token)
    assert client.cookies["mdc_session"] != first


def test_signing_out_ends_the_session_itself(visit: Visit, url: str) -> None:
    client = signed_in(visit(), given(url, "asha", Role.OPERATOR))
    kept = client.cookies["mdc_session"]
    client.post("/logout", data={"csrf": client.get("/form").text})
    assert visit().get("/v1/me", cookies={"mdc_session": kept}).status_code == 401


def test_a_wrong_token_is_told_and_not_shown(visit: Visit) -> None:
    answer = visit().post("/login", data={"token": "mdc_wrongwrongwrongwrongwrong"})
    assert answer.status_code == 401
    assert "does not hold" in answer.text
    assert "wrongwrong" not in answer.text


def test_too_long_a_command_is_refused(visit: Visit, url: str) -> None:
    client = visit(token=given(url, "asha", Role.OPERATOR))
    assert client.post("/greet", data={"word": "x" * (1 << 20)}).status_code == 413


@pytest.mark.parametrize(
    ("where", "led"),
    [("/jobs", "/jobs"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/"), ("/a\r\nb", "/")],
)
def test_signing_in_leads_nowhere_else(where: str, led: str) -> None:
    assert local_path(where) == led


def test_a_store_that_is_away_lets_nobody_in(visit: Visit, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from controller.records.store import STORE_FAULTS

    token = given(url, "asha", Role.OPERATOR)
    client = visit(token=token)

    def away(*_: object) -> None:
        raise STORE_FAULTS[0]("database is locked")

    for name in ("bearer", "by_session", "any_lasting", "sign_in"):
        monkeypatch.setattr(Access, name, away)
    assert client.post("/greet").status_code == 401
    assert visit().get("/v1/now").status_code == 401
    assert visit().post("/login", data={"token": token}).status_code == 503
