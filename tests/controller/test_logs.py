"""No token reaches a log, whoever writes the line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

import pytest

from controller.access.tokens import new_token
from controller.logs import FORMAT, JsonLines, WithoutSecrets, as_json, log_context


@pytest.mark.parametrize("where", ["message", "argument", "traceback"])
def test_a_token_is_struck_out_wherever_it_stands(where: str) -> None:
    token = new_token()
    message, arguments, error = (
        (f"GET /enter?key={token}", (), None) if where == "message" else ("asked %s", ("x",), None)
    )
    if where == "argument":
        arguments = (f"Bearer {token}",)
    if where == "traceback":
        try:
            raise ValueError(token)
        except ValueError:
            error = sys.exc_info()
    record = logging.LogRecord("web", logging.WARNING, __file__, 1, message, arguments, error)
    for line in (WithoutSecrets(FORMAT).format(record), JsonLines("web").format(record)):
        assert token not in line
        assert "[struck out]" in line


def test_a_json_line_is_one_document_that_joins_with_the_records() -> None:
    log_context(site="container", cycle_utc="2025-01-14T12:00:01+00:00")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("loop", logging.INFO, __file__, 1, "order to %s: %s", ("pv", "12 kW"), error)
    line = JsonLines("run").format(record)
    found = json.loads(line)
    assert "\n" not in line
    assert abs(datetime.fromisoformat(found.pop("at_utc")).timestamp() - record.created) < 0.01
    assert "two\nlines" in found.pop("error")
    assert found == {
        "level": "INFO",
        "process": "run",
        "logger": "loop",
        "event": "order to %s: %s",
        "text": "order to pv: 12 kW",
        "site": "container",
        "cycle_utc": "2025-01-14T12:00:01+00:00",
    }


def test_json_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MDC_LOG_FORMAT", raising=False)
    assert not as_json()
    monkeypatch.setenv("MDC_LOG_FORMAT", "json")
    assert as_json()
