"""The operator's seat of one request: who asks, at which site, and when it is there."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from controller.operator_desk import OperatorDesk, site_time
from controller.records.reading import Reader
from controller.web.access import asker
from controller.web.desk import DeskReader


def seat(request: Request, reader: DeskReader) -> OperatorDesk:
    """Return what whoever asks may do. There, now."""
    who, newest = asker(request), store_of(reader).now()
    if newest is None:
        raise HTTPException(409, "no cycle has been completed yet")
    now = site_time(newest, reader.host_utc())
    return OperatorDesk(url=reader.url, site=reader.site, who=who.name, role=who.role.value, now=now)


def store_of(reader: DeskReader) -> Reader:
    """Return the store's reader; 409 while there is none."""
    store = reader.reader()
    if store is None:
        raise HTTPException(409, "nothing has been recorded yet")
    return store
