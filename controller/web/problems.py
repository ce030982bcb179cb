"""Errors as answers: problem documents (RFC 9457) for programs, a short page for people; refusals in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.exceptions import HTTPException

from controller.records.command_base import ChangedMeanwhileError
from controller.records.store import STORE_FAULTS
from sites.errors import InputError
from sites.record import Record

NOTHING_HERE = "there is nothing at this address"
UNREADABLE = "the records cannot be reached just now; try again"


class Fault(Record):
    """One thing that is wrong with what was sent."""

    field: str
    found: str
    mend: str


class Problem(Record):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    faults: tuple[Fault, ...] = ()
    """Everything that is wrong with what was sent, each with its mend."""


class RefusedError(HTTPException):
    """A command that was not carried out, with everything that stood against it."""

    def __init__(self, status_code: int, error: InputError) -> None:
        super().__init__(status_code, "; ".join(str(fault) for fault in error.faults))
        self.faults = tuple(Fault(field=fault.field, found=fault.found, mend=fault.mend) for fault in error.faults)


@contextmanager
def refusals(*, changed: int = 409) -> Iterator[None]:
    """Turn what a command raises into answers: ``changed`` when somebody was quicker, 422 bad input, 503 no store."""
    try:
        yield
    except ChangedMeanwhileError as error:
        raise RefusedError(changed, error) from error
    except InputError as error:
        raise RefusedError(422, error) from error
    except STORE_FAULTS as error:
        raise HTTPException(503, UNREADABLE) from error


def problem_document(error: Exception, path: str) -> Problem:
    """Return an error as a document; what is no answer of ours tells nothing of the inside."""
    status = error.status_code if isinstance(error, HTTPException) else 503 if isinstance(error, STORE_FAULTS) else 500
    detail = error.detail if isinstance(error, HTTPException) else UNREADABLE if status == 503 else ""
    detail = NOTHING_HERE if detail == HTTPStatus.NOT_FOUND.phrase else detail
    return Problem(
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail or "the console failed; its log says why",
        instance=path,
        faults=error.faults if isinstance(error, RefusedError) else (),
    )


TITLES = {
    400: "Not understood",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not there",
    405: "Not this way",
    409: "Changed meanwhile",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Not JSON",
    422: "Cannot be carried out",
    428: "Say what you have seen",
    500: "Failed",
    503: "Not now",
}
