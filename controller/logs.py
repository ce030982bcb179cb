"""How every process of ours logs: one line an event on standard error, and no token in it, whoever wrote the line.

``MDC_LOG`` sets the level (WARNING if absent). ``MDC_LOG_FORMAT=json`` makes each line a JSON document with the fields

    at_utc    when, by the host's clock
    level     DEBUG, INFO, WARNING, ERROR
    process   which program of ours: run, worker, web, nightly, ...
    logger    which module
    event     the message without its values: the same for each event of a kind
    text      the message as a person reads it
    site      the site it is about, once it is known
    cycle_utc site time of the control cycle it happened in, as decisions and telemetry in the store carry it
    error     the traceback, where there is one
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime

from controller.access.tokens import without_secrets

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class WithoutSecrets(logging.Formatter):
    """Strikes tokens out of the finished line, a traceback's words included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """Writes each event as one JSON document, tokens struck out."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, str] = {
            "at_utc": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "event": str(record.msg),
            "text": record.getMessage(),
            **_CONTEXT,
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return without_secrets(json.dumps(fields, ensure_ascii=False))


_CONTEXT: dict[str, str] = {}
"""What holds for every line of this process until it is told anew."""


def log_context(**fields: str) -> None:
    """Have further lines of this process carry these fields, such as ``site`` and ``cycle_utc``."""
    _CONTEXT.update(fields)


def as_json() -> bool:
    """Return whether lines are to be JSON documents."""
    return os.environ.get("MDC_LOG_FORMAT", "") == "json"


def set_up_logs(process: str, level: str = "") -> None:
    """Log at ``level``, by default at what the variable MDC_LOG says, warnings if it says nothing.

    ``process`` names the program in JSON lines.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if as_json() else WithoutSecrets(FORMAT))
    logging.basicConfig(level=level or os.environ.get("MDC_LOG", "WARNING"), handlers=[handler])
