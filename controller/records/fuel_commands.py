"""Announcing, noting and withdrawing deliveries of diesel. The planner counts on what is to come, so a mistake must end.

Shares the version of the orders: of two people who act at once the second is told. Times are site times, given by the
caller.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from controller.records.base import new_id
from controller.records.command_base import StoreCommands
from controller.records.measured_tables import DeliveryRow
from controller.records.order_version import count_up
from sites.errors import InputError

MOST_L = 1e6


class FuelCommands(StoreCommands):
    """Commands about diesel."""

    def add(
        self,
        delivered_utc: datetime,
        litres: float,
        *,
        who: str,
        at_utc: datetime,
        usd_per_l: float | None = None,
        seen: int | None = None,
    ) -> str:
        """Note diesel that was or will be delivered; returns the delivery's id.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: not a positive amount, or a negative price.
        """
        if not 0 < litres < MOST_L:
            raise InputError.single(source="delivery", field="litres", found=litres, mend="give litres above 0")
        if usd_per_l is not None and not usd_per_l >= 0:
            raise InputError.single(source="delivery", field="usd_per_l", found=usd_per_l, mend="give 0 or more")
        identity = new_id()
        with Session(self._engine) as session:
            count_up(session, self._site, seen)
            session.add(
                DeliveryRow(
                    id=identity,
                    site=self._site,
                    at_utc=delivered_utc,
                    litres=litres,
                    usd_per_l=usd_per_l,
                    who=who,
                    recorded_utc=at_utc,
                )
            )
            self._audit(session, who, "fuel delivery", _words(litres, delivered_utc), at_utc)
            session.commit()
        return identity

    def withdraw(self, delivery_id: str, *, who: str, at_utc: datetime, seen: int | None = None) -> None:
        """Withdraw a delivery that was announced or noted by mistake: nothing counts on it any more.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: no such delivery, or it is withdrawn already.
        """
        with Session(self._engine) as session:
            count_up(session, self._site, seen)
            row = session.get(DeliveryRow, delivery_id)
            if row is None or row.site != self._site or row.withdrawn_utc is not None:
                raise InputError.single(
                    source="delivery", field="id", found=delivery_id, mend="give the id of a delivery that stands"
                )
            row.withdrawn_utc = at_utc
            self._audit(session, who, "fuel delivery withdrawn", f"{_words(row.litres, row.at_utc)} ({row.id})", at_utc)
            session.commit()


def _words(litres: float, delivered_utc: datetime) -> str:
    return f"{litres:g} L at {delivered_utc:%Y-%m-%d %H:%M}Z"
