"""Giving, checking and taking access to one site. Times are the host's: a fast site clock must not age a token.

Giving and taking are commands like any other and leave their line in the audit trail. Checking reads only, so a store
that cannot be written still lets people look.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from types import TracebackType

from sqlalchemy import ColumnElement, CursorResult, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from controller.access.roles import Asker, Role
from controller.access.tokens import digest, new_token
from controller.records.access_tables import SessionRow, TokenRow
from controller.records.base import new_id
from controller.records.people_tables import AuditRow
from controller.records.store import open_engine
from controller.records.views import AccessToken
from sites.errors import InputError, InputFault, shorten

SESSION = timedelta(hours=12)
"""How long a browser stays signed in: a shift."""
LINK = timedelta(hours=1)
"""How long a one-time link can be used."""
LONGEST_DAYS = 3660
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class Access:
    """The tokens and sessions of one site.

    Raises:
        InputError: on opening, the address cannot be used; from a command, when it cannot be carried out.
    """

    def __init__(self, url: str, site: str) -> None:
        self._engine = open_engine(url, durable=True)
        self._site = site

    def __enter__(self) -> Access:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def add(self, name: str, role: Role, *, by: str, by_role: str, now: datetime, days: float | None = None) -> str:
        """Give somebody a token and return it, for the only time.

        Args:
            name: as the audit trail will say it; nobody else may hold a token under it.
            role: what they may do.
            by: who gives it.
            by_role: role of who gives it.
            now: the host's time.
            days: how long it holds; none = until it is revoked.

        Raises:
            InputError: a name that is taken or none, or a time that is not one.
        """
        faults = _name_faults(name)
        if days is not None and not 0 < days <= LONGEST_DAYS:
            faults.append(_fault("days", days, f"above 0, at most {LONGEST_DAYS}"))
        with Session(self._engine) as session:
            if self._lasting(session, now, TokenRow.name == name):
                faults.append(_fault("name", name, "revoke the token of that name first, or give another name"))
            if faults:
                raise InputError(faults)
            expires = now + timedelta(days=days) if days is not None else None
            token = self._new(session, name, role, by=by, now=now, expires=expires, once=False)
            self._audit(session, by, by_role, "access add", f"{name} as {role.value}", now)
            session.commit()
        return token

    def link(self, name: str, role: Role, *, by: str, by_role: str, now: datetime) -> str:
        """Return a token that opens one session within :data:`LINK`, for a link to click on.

        Raises:
            InputError: a name that is none.
        """
        if faults := _name_faults(name):
            raise InputError(faults)
        with Session(self._engine) as session:
            token = self._new(session, name, role, by=by, now=now, expires=now + LINK, once=True)
            self._audit(session, by, by_role, "access link", f"{name} as {role.value}", now)
            session.commit()
        return token

    def revoke(self, name: str, *, by: str, by_role: str, now: datetime) -> int:
        """Take away every token of a name, and so its sessions; returns how many.

        Raises:
            InputError: nobody of that name has a token.
        """
        with Session(self._engine) as session:
            rows = session.scalars(
                select(TokenRow).where(
                    TokenRow.site == self._site, TokenRow.name == name, TokenRow.revoked_utc.is_(None)
                )
            ).all()
            if not rows:
                raise InputError([_fault("name", name, "name one of: mdc access list")])
            for row in rows:
                row.revoked_utc = now
            self._audit(session, by, by_role, "access revoke", name, now)
            session.commit()
            return len(rows)

    def tokens(self) -> tuple[AccessToken, ...]:
        """Return every token that was given, newest first; never the tokens themselves."""
        with Session(self._engine) as session:
            rows = session.scalars(
                select(TokenRow).where(TokenRow.site == self._site).order_by(TokenRow.made_utc.desc(), TokenRow.id)
            ).all()
            return tuple(
                AccessToken.model_validate({field: getattr(row, field) for field in AccessToken.model_fields})
                for row in rows
            )

    def any_lasting(self, now: datetime) -> bool:
        """Return whether anybody holds a token that is not just for one sign-in."""
        with Session(self._engine) as session:
            return self._lasting(session, now)

    def bearer(self, token: str, now: datetime) -> Asker | None:
        """Return who a token belongs to; none for one that does not hold, and for one-time tokens."""
        with Session(self._engine) as session:
            row = session.scalar(
                select(TokenRow).where(self._holds(now), TokenRow.digest == digest(token), TokenRow.once.is_(False))
            )
            return _asker(row)

    def by_session(self, secret: str, now: datetime) -> Asker | None:
        """Return who signed in with this session; none when it is over or its token was revoked."""
        with Session(self._engine) as session:
            row = session.scalar(
                select(TokenRow)
                .join(SessionRow, SessionRow.token_id == TokenRow.id)
                .where(
                    TokenRow.site == self._site,
                    TokenRow.revoked_utc.is_(None),
                    or_(TokenRow.once.is_(True), TokenRow.expires_utc.is_(None), TokenRow.expires_utc > now),
                    SessionRow.digest == digest(secret),
                    SessionRow.expires_utc > now,
                )
            )
            return _asker(row)

    def sign_in(self, token: str, now: datetime) -> tuple[str, Asker] | None:
        """Open a session with a token; returns its secret and who it is, none when the token does not hold."""
        with Session(self._engine) as session:
            row = session.scalar(select(TokenRow).where(self._holds(now), TokenRow.digest == digest(token)))
            if row is None or not self._take(session, row.id, now):
                return None
            asker = Asker(name=row.name, role=Role(row.role))
            session.execute(delete(SessionRow).where(SessionRow.expires_utc <= now))
            secret = new_token()
            session.add(
                SessionRow(id=new_id(), token_id=row.id, digest=digest(secret), made_utc=now, expires_utc=now + SESSION)
            )
            self._audit(session, asker.name, asker.role.value, "sign in", "", now)
            session.commit()
            return secret, asker

    def sign_out(self, secret: str) -> None:
        """End a session; nothing happens when there is none."""
        with Session(self._engine) as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(secret)))
            session.commit()

    def refused(self, asker: Asker, action: str, detail: str, now: datetime) -> None:
        """Note a command that somebody was not allowed to give."""
        with Session(self._engine) as session:
            role = asker.role.value if asker.signed_in else ""
            self._audit(session, asker.name, role, action, detail, now, outcome="refused")
            session.commit()

    @staticmethod
    def _take(session: Session, token_id: str, now: datetime) -> bool:
        """Mark a token as used; of two who sign in with one one-time token at once, one is let in."""
        unused = or_(TokenRow.once.is_(False), TokenRow.used_utc.is_(None))
        taken = session.execute(update(TokenRow).where(TokenRow.id == token_id, unused).values(used_utc=now))
        return isinstance(taken, CursorResult) and taken.rowcount == 1

    def _holds(self, now: datetime) -> ColumnElement[bool]:
        return and_(
            TokenRow.site == self._site,
            TokenRow.revoked_utc.is_(None),
            or_(TokenRow.expires_utc.is_(None), TokenRow.expires_utc > now),
            or_(TokenRow.once.is_(False), TokenRow.used_utc.is_(None)),
        )

    def _lasting(self, session: Session, now: datetime, *more: ColumnElement[bool]) -> bool:
        found = select(TokenRow.id).where(self._holds(now), TokenRow.once.is_(False), *more).limit(1)
        return session.scalar(found) is not None

    def _new(
        self, session: Session, name: str, role: Role, *, by: str, now: datetime, expires: datetime | None, once: bool
    ) -> str:
        token = new_token()
        session.add(
            TokenRow(
                id=new_id(),
                site=self._site,
                name=name,
                role=role.value,
                digest=digest(token),
                once=once,
                made_utc=now,
                made_by=by,
                expires_utc=expires,
                used_utc=None,
                revoked_utc=None,
            )
        )
        return token

    def _audit(
        self, session: Session, who: str, role: str, action: str, detail: str, now: datetime, outcome: str = "done"
    ) -> None:
        session.add(
            AuditRow(
                id=new_id(),
                site=self._site,
                at_utc=now,
                who=who,
                role=role,
                action=action,
                outcome=outcome,
                detail=detail,
            )
        )


def _asker(row: TokenRow | None) -> Asker | None:
    return Asker(name=row.name, role=Role(row.role)) if row is not None else None


def _name_faults(name: str) -> list[InputFault]:
    fine = NAME.fullmatch(name)
    return [] if fine else [_fault("name", name, "up to 60 letters, digits, dots, dashes and underscores")]


def _fault(field: str, found: object, mend: str) -> InputFault:
    return InputFault(source="access", field=field, found=shorten(found), mend=mend)
