"""Waiting for the planner's answer to an order that somebody thinks of giving, and refusing one that cannot be carried out."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from controller.overrides.wording import order_words, span_words
from controller.records.reading import Reader
from controller.records.site_lock import daemon_pid
from controller.records.store import parse_url
from controller.records.views import StoredPreview
from sites.errors import InputError, InputFault
from sites.ports import Clock
from sites.schema.site import Site

PATIENCE_S = 60.0
"""How long the planner may take to begin, beyond the time of two solves: it may be making a plan."""
LONGEST_S = 600.0
POLL_S = 0.25
NOBODY = "see that mdc run runs on this store; --unchecked (or unchecked: true) gives the order without a plan under it"


def wait_for_answer(
    url: str, site: Site, preview_id: str, *, clock: Clock, tell: Callable[[str], None] = lambda text: None
) -> StoredPreview:
    """Return a preview once the planner has answered; ``tell`` is told how far it is.

    Raises:
        InputError: nobody works it out, or it failed.
    """
    began_s = clock.monotonic_s()
    with Reader(url, site.name) as reader:
        while True:
            shown = reader.preview(preview_id)
            if shown is not None and shown.state == "done":
                return shown
            if shown is None or shown.state == "failed":
                found = shown.progress if shown is not None else "it is gone"
                raise InputError.single(source="preview", field="", found=found, mend=f"ask again, or {NOBODY}")
            if _given_up(url, site, shown, clock.monotonic_s() - began_s):
                raise InputError.single(source="preview", field="", found="no answer of the planner", mend=NOBODY)
            tell(shown.progress)
            clock.sleep(POLL_S)


def _given_up(url: str, site: Site, shown: StoredPreview, taken_s: float) -> bool:
    """Return whether waiting longer makes no sense: nobody plans there, or it takes too long."""
    here = parse_url(url).get_backend_name() == "sqlite"
    patience_s = PATIENCE_S + 2.0 * site.planning.solve_seconds
    return (
        (here and daemon_pid(url, site.name) is None)
        or taken_s > LONGEST_S
        or (shown.state == "asked" and taken_s > patience_s)
    )


def check_answer(shown: StoredPreview, zone: ZoneInfo) -> None:
    """Refuse an order that the planner has not answered yet, or that cannot be carried out.

    Raises:
        InputError: with the reason, and the nearest order that works.
    """
    answer = shown.answer
    if answer is None:
        raise InputError.single(
            source="preview", field="state", found=shown.progress or shown.state, mend="wait until it is worked out"
        )
    if answer.difference is None:
        nearest = answer.nearest
        mend = (
            f"the nearest that works: {order_words(nearest.order, zone)}, {span_words(nearest, zone)}"
            if nearest is not None
            else "no order near it works"
        )
        raise InputError([InputFault(source="override", field="order", found="; ".join(answer.faults), mend=mend)])
