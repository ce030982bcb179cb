"""How every process of ours logs: one line an event on standard error, and no token in it, whoever wrote the line."""

from __future__ import annotations

import logging
import os

from controller.access.tokens import without_secrets

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class WithoutSecrets(logging.Formatter):
    """Strikes tokens out of the finished line, a traceback's words included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return without_secrets(super().format(record))


def set_up_logs(level: str = "") -> None:
    """Log at ``level``, by default at what the variable MDC_LOG says, warnings if it says nothing."""
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutSecrets(FORMAT))
    logging.basicConfig(level=level or os.environ.get("MDC_LOG", "WARNING"), handlers=[handler])
