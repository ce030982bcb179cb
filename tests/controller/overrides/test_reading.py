"""Orders as people type them, on the command line and in the console."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import review
from controller.overrides.orders import (
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    HoldSoc,
    Order,
    PinJob,
    RunGenset,
    ShedTier,
    StopService,
)
from controller.overrides.reading import read_order
from sites.errors import InputError
from tests.controller.web.container_day import container_day, write_day

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 15, 19, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "words", "order"),
    [
        ("genset diesel-1", "run", RunGenset(genset="diesel-1")),
        ("genset diesel-1", "stop", ForbidGenset(genset="diesel-1")),
        ("genset diesel-1", "disable", Disable(device="genset diesel-1")),
        ("pool h100", "disable", Disable(device="pool h100")),
        ("pv", "disable", Disable(device="pv")),
        ("battery", "hold 60", HoldSoc(soc_frac=0.6)),
        ("pool h100", "cap 300", CapPool(pool="h100", limit_w=300)),
        ("job tune-7", "hold", HoldJob(job="tune-7")),
        ("job tune-7", "start", PinJob(job="tune-7", start_utc=NOW)),
        ("job tune-7", "start 2026-01-15T14:00", PinJob(job="tune-7", start_utc=LATER)),
        ("tier crew-cabin", "shed", ShedTier(tier="crew-cabin")),
        ("service voice-agent", "stop", StopService(service="voice-agent")),
    ],
)
def test_words_are_orders(subject: str, words: str, order: Order) -> None:
    assert read_order(subject, words, zone="America/New_York", now=NOW) == order


@pytest.mark.parametrize(
    ("subject", "words", "field", "mend"),
    [
        ("engine x", "run", "subject", "genset"),
        ("genset diesel-1", "explode", "order", "run, stop or disable"),
        ("battery", "hold much", "order", "percent"),
        ("job tune-7", "start soon", "order", "ISO time"),
    ],
)
def test_what_cannot_be_ordered_is_said(subject: str, words: str, field: str, mend: str) -> None:
    with pytest.raises(InputError) as caught:
        read_order(subject, words, zone="America/New_York", now=NOW)
    assert caught.value.faults[0].field == field
    assert mend in caught.value.faults[0].mend


def test_an_order_is_given_and_withdrawn_on_the_command_line(tmp_path: Path) -> None:
    """Without a daemon nobody plans: the order is given unchecked."""
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    write_day(url, container_day())

    def mdc(*arguments: str) -> str:
        found = CliRunner().invoke(review.app, [*arguments, "--store", url])
        if found.exception is not None:
            raise found.exception
        return found.stdout

    given = mdc("override", "genset diesel-1", "stop", "--hours", "2", "--why", "noise", "--unchecked")
    identity = given.split()[1]
    (standing,) = json.loads(mdc("list", "--format", "json"))["overrides"]
    assert (standing["id"], standing["subject"], standing["order_text"]) == (identity, "genset diesel-1", "stop")
    expires = datetime.fromisoformat(standing["expires_utc"])
    assert expires - datetime.fromisoformat(standing["at_utc"]) == timedelta(hours=2)
    with pytest.raises(InputError, match="withdraw first"):
        mdc("override", "genset diesel-1", "run", "--why", "storm", "--unchecked")
    with pytest.raises(InputError, match="diesel-1, diesel-2"):
        mdc("override", "genset diesel-9", "run", "--why", "storm", "--unchecked")
    mdc("withdraw", identity)
    assert json.loads(mdc("list", "--format", "json"))["overrides"] == []
