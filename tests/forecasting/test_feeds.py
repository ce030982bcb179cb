"""Sources are asked in their own time; slow, silent and broken ones never keep a plan from being made."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from forecasting.weather.feeds import Feeds
from sites.ports import ManualClock, SystemClock
from sites.schema.place import Prediction
from sites.schema.site import Site
from tests.forecasting.test_predictions import NOW, Answer, body, document, dropped, server


class HostAt(SystemClock):
    """The host's clock, set to a moment."""

    def now_utc(self) -> datetime:
        return NOW


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def site_with(site: Site, *sources: Prediction) -> Site:
    return site.model_copy(update={"weather": site.weather.model_copy(update={"predictions": sources})})


def service(address: str, deadline_s: float = 2.0, name: str = "service") -> Prediction:
    return Prediction(name=name, kind="open-meteo", address=address, deadline_s=deadline_s, every_minutes=60)


def good(handler: BaseHTTPRequestHandler) -> None:
    body(json.dumps(document()).encode())(handler)


def feeds(container: Site, stack: ExitStack, answer: Answer, deadline_s: float = 2.0) -> Feeds:
    address = stack.enter_context(server(answer))
    return Feeds(site_with(container, service(address, deadline_s)), folder=None, clock=HostAt())


def test_a_source_is_asked_when_it_is_due(container: Site, stack: ExitStack) -> None:
    asked = []

    def counted(handler: BaseHTTPRequestHandler) -> None:
        asked.append(1)
        good(handler)

    found = feeds(container, stack, counted)
    first = found.refresh(NOW)
    assert [run.issued_utc for run in first.runs] == [NOW]
    assert first.states[0].issued_utc == NOW
    assert first.states[0].fault == ""
    again = found.refresh(NOW + timedelta(minutes=20))
    assert again.runs == ()
    assert again.states == first.states
    assert len(asked) == 1
    assert [run.issued_utc for run in found.known(NOW)] == [NOW]


def test_a_fault_is_told_and_the_last_run_stays(container: Site, stack: ExitStack) -> None:
    answers = [good, body(b"gone", status=503)]

    def next_answer(handler: BaseHTTPRequestHandler) -> None:
        (answers.pop(0) if len(answers) > 1 else answers[0])(handler)

    address = stack.enter_context(server(next_answer))
    clock = ManualClock(NOW)
    found = Feeds(site_with(container, service(address)), folder=None, clock=clock)
    found.refresh(NOW)
    clock.advance(7200.0)
    later = NOW + timedelta(hours=2)
    news = found.refresh(later)
    assert news.states[0].fault == "refused"
    assert news.states[0].issued_utc == NOW
    assert [run.issued_utc for run in found.known(later)] == [NOW]


def test_a_source_that_hangs_costs_one_wait(container: Site, stack: ExitStack) -> None:
    free = threading.Event()
    stack.callback(free.set)

    def silent(handler: BaseHTTPRequestHandler) -> None:
        free.wait(20.0)

    found = feeds(container, stack, silent, deadline_s=0.4)
    began = time.monotonic()
    assert found.refresh(NOW).states[0].fault == "slow"
    assert time.monotonic() - began < 3.0
    assert found.known(NOW) == ()


def test_a_service_is_not_asked_about_another_time_than_the_hosts(container: Site, stack: ExitStack) -> None:
    found = feeds(container, stack, good)
    news = found.refresh(NOW - timedelta(days=30))
    assert news.runs == ()
    assert "clock" in news.states[0].text


def test_a_folder_gives_all_of_its_past_and_the_good_source_outlives_the_bad(
    container: Site, stack: ExitStack, tmp_path: Path
) -> None:
    for hours in (48, 24, 6):
        dropped(tmp_path, f"{hours}.csv", NOW - timedelta(hours=hours))
    (tmp_path / "half.csv").write_text("# issued: 2025")
    bad = service(stack.enter_context(server(body(b"<html>"))))
    here = Prediction(name="drop", kind="folder", folder=tmp_path.name)
    found = Feeds(site_with(container, bad, here), folder=tmp_path.parent, clock=HostAt())
    news = found.refresh(NOW)
    assert {run.source for run in news.runs} == {"drop"}
    assert len(news.runs) == 3
    assert [(state.source, state.fault) for state in news.states] == [("service", "broken"), ("drop", "")]
    assert found.refresh(NOW + timedelta(hours=4)).runs == ()


def test_what_the_site_file_may_say(container: Site) -> None:
    with pytest.raises(ValueError, match="names its folder"):
        Prediction(name="drop", kind="folder")
    with pytest.raises(ValueError, match="pattern"):
        Prediction(name="a", kind="open-meteo", address="file:///etc/passwd")
