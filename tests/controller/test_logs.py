"""No token reaches a log, whoever writes the line."""

from __future__ import annotations

import logging
import sys

import pytest

from controller.access.tokens import new_token
from controller.logs import FORMAT, WithoutSecrets


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
    line = WithoutSecrets(FORMAT).format(record)
    assert token not in line
    assert "[struck out]" in line
