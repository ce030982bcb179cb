"""The console's pages: what is said in each state of the store, escaped, with the right headers, small enough."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from controller.records.entries import NowEntry
from controller.records.store import open_engine, upgrade
from controller.records.writing import write_entry
from controller.snapshot import Snapshot
from controller.web.app import versions
from controller.web.desk import Desk
from controller.web.headers import HEADERS
from optimizer.plan import Level
from sites.load import load_site
from tests.controller.web.conftest import Visit
from tests.controller.web.container_day import container_day, without_readings, write_day


class Outline(HTMLParser):
    """Collects the words and the ids of a page, and checks that its tags are closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.levels: list[int] = []
        self.nameless: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if names.get("id"):
            self.ids.append(str(names["id"]))
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in names:
            self.inline.append("script")
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if (tag == "img" and "alt" not in names) or (tag == "svg" and not {"aria-label", "aria-hidden"} & set(names)):
            self.nameless.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


def _page(visit: Visit, store: str) -> Outline:
    answer = visit(store).get("/")
    assert answer.status_code == 200
    return Outline(answer.text)


def test_the_first_page_shows_now_and_the_next_hours(visit: Visit, day_store: str) -> None:
    page = _page(visit, day_store)
    for words in (
        "12:04 EST",
        "120× speed, simulated plant",
        "Optimal plan",
        "59\u202f%",
        "2\u202f710\u202fL",
        "65 days left",
        "gpu l40s 6/3",
        "one GPU of node 6 answers no more",
        "The next 48 hours",
        "Times in America/New York",
        "genset diesel-1 starts Thu 16 Jan 02:30, runs 5 h",
        "otherwise $18.40 more (exact)",
        "the battery would fall below its reserve before sunrise",
        "1.5 h late",
        "sun would otherwise be curtailed",
        "inverter-overload steps in: pool h100",
    ):
        assert words in page.text.replace("  ", " "), words
    assert {f"figure-{name}" for name in ("power", "soc", "pv", "schedule", "caps", "price")} <= set(page.ids)


def test_ids_are_unique_and_nothing_is_inline(visit: Visit, day_store: str) -> None:
    page = _page(visit, day_store)
    assert len(page.ids) == len(set(page.ids))
    assert page.inline == []


def test_the_page_is_small(visit: Visit, day_store: str) -> None:
    client = visit(day_store)
    pieces = [client.get(path).content for path in ("/", *_assets(client.get("/").text))]
    assert sum(len(gzip.compress(piece)) for piece in pieces) < 300_000
    answer = client.get("/", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


def _assets(page: str) -> list[str]:
    return sorted(set(re.findall(r'"(/static/[^"]+)"', page)))


def test_all_that_the_page_loads_is_there_and_ours(visit: Visit, day_store: str) -> None:
    client = visit(day_store)
    page = client.get("/").text
    assert len(_assets(page)) == 3
    for path in _assets(page):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/now", "/static/console.css", "/nowhere", "/v1/nowhere"])
def test_every_answer_carries_the_security_headers(visit: Visit, day_store: str, path: str) -> None:
    headers = visit(day_store).get(path).headers
    for name, value in HEADERS.items():
        assert headers[name] == value
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"]


def test_another_host_name_is_refused(visit: Visit, day_store: str) -> None:
    assert visit(day_store).get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_store_that_is_not_there_yet_is_being_prepared(visit: Visit, empty_store: str) -> None:
    page = _page(visit, empty_store)
    assert "Preparing" in page.text
    assert "Records store opened , under way" in page.text


def test_an_empty_store_is_being_prepared(visit: Visit, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    upgrade(url)
    page = _page(visit, url)
    assert "Records store opened , done" in page.text
    assert "Control loop runs and keeps the site safe , under way" in page.text


def _store_with_now(folder: Path, snapshot: Snapshot) -> str:
    url = f"sqlite:///{folder / 'now.sqlite'}"
    upgrade(url)
    engine = open_engine(url, durable=False)
    entry = NowEntry(
        at_utc=snapshot.at_utc, level=Level.RULES, plan_id=None, speed=1.0, snapshot=snapshot, setpoints=None
    )
    with Session(engine) as session:
        write_entry(session, "container", entry)
        session.commit()
    engine.dispose()
    return url


def test_before_the_plant_is_connected_the_page_says_so(visit: Visit, tmp_path: Path) -> None:
    page = _page(visit, _store_with_now(tmp_path, Snapshot(at_utc=datetime(2025, 1, 15, tzinfo=UTC), battery=None)))
    assert "Weather and sun prepared, plant connected , under way" in page.text
    assert "Energy flows" not in page.text


def test_before_the_first_plan_the_present_is_shown(visit: Visit, tmp_path: Path) -> None:
    page = _page(visit, _store_with_now(tmp_path, container_day().snapshot))
    assert "Energy flows" in page.text
    assert "load following decides" in page.text
    assert "First plan made , under way" in page.text


def test_missing_readings_are_dashes(visit: Visit, tmp_path: Path) -> None:
    page = _page(visit, _store_with_now(tmp_path, without_readings(container_day()).snapshot))
    assert "Battery –" in page.text
    assert " 0\u202f" not in page.text


def test_what_is_unserved_is_said(visit: Visit, tmp_path: Path) -> None:
    snapshot = container_day().snapshot.model_copy(update={"unserved_kw": 12.0})
    assert "12\u202fkW not served" in _page(visit, _store_with_now(tmp_path, snapshot)).text


def test_text_from_the_store_stays_text(visit: Visit, tmp_path: Path) -> None:
    day = container_day()
    evil = "<script>alert(1)</script>\"'&"
    decision = day.plan.decisions[0].model_copy(update={"what": evil, "text": evil})
    jobs = (day.plan.jobs[0].model_copy(update={"name": evil}), *day.plan.jobs[1:])
    url = f"sqlite:///{tmp_path / 'evil.sqlite'}"
    write_day(url, replace(day, plan=day.plan.model_copy(update={"decisions": (decision,), "jobs": jobs})))
    answer = visit(url).get("/")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_halves_are_the_same_as_on_the_page(visit: Visit, day_store: str) -> None:
    client = visit(day_store)
    page = client.get("/").text
    for path in ("/fragments/head", "/fragments/now", "/fragments/plan"):
        fragment = client.get(path).text
        assert fragment.strip() in page


def test_versions_tell_a_new_plan_and_a_new_cycle(visit: Visit, day_store: str) -> None:
    bare = versions(Desk(site=load_site("container")))
    assert bare["now_s"] is None
    assert bare != versions(Desk(site=load_site("container"), store_ready=True))


def test_a_plan_that_is_not_in_force_says_so(visit: Visit, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rules.sqlite'}"
    day = container_day()
    write_day(url, day)
    engine = open_engine(url, durable=False)
    now = NowEntry(
        at_utc=day.snapshot.at_utc + timedelta(hours=3),
        level=Level.RULES,
        plan_id=None,
        speed=1.0,
        snapshot=day.snapshot,
        setpoints=None,
    )
    with Session(engine) as session:
        write_entry(session, "container", now)
        session.commit()
    engine.dispose()
    page = _page(visit, url)
    assert "Newest plan, not in force" in page.text
    assert "no plan in force to say how long it lasts" in page.text
    assert "real time, simulated plant" in page.text
