"""What all commands through the store share: one engine, one site, whoever is entitled, and the line in the audit trail."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy.orm import Session

from controller.access.roles import SHELL
from controller.records.base import new_id
from controller.records.people_tables import AuditRow
from controller.records.store import open_engine
from sites.errors import InputError


class ChangedMeanwhileError(InputError):
    """Somebody else has changed what a command was about since it was looked at."""


class StoreCommands:
    """Commands to one site's daemon, through the store.

    Raises:
        InputError: on opening, the address cannot be used; from every command, when it cannot be carried out.
    """

    def __init__(self, url: str, site: str, *, role: str = SHELL) -> None:
        """``role`` is what entitles whoever gives the commands; the audit trail keeps it."""
        self._engine = open_engine(url, durable=True)
        self._site, self._role = site, role

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _audit(
        self, session: Session, who: str, action: str, detail: str, at_utc: datetime, outcome: str = "done"
    ) -> None:
        session.add(
            AuditRow(
                id=new_id(),
                site=self._site,
                at_utc=at_utc,
                who=who,
                role=self._role,
                action=action,
                outcome=outcome,
                detail=detail,
            )
        )
