"""Giving, checking and taking access, as a table of moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.access.roles import Role
from controller.records.access import LINK, SESSION, Access
from controller.records.exporting import export_lines
from controller.records.reading import Reader
from controller.records.store import upgrade
from sites.errors import InputError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY = {"by": "root", "by_role": "shell"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'a.sqlite'}"
    upgrade(address)
    return address


@pytest.fixture
def access(url: str) -> Iterator[Access]:
    with Access(url, "here") as opened:
        yield opened


def test_only_the_digest_is_kept(access: Access, tmp_path: Path) -> None:
    token = access.add("asha", Role.OPERATOR, **BY, now=NOW)
    found = access.sign_in(token, NOW)
    assert found is not None
    access.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert token.encode() not in kept
    assert found[0].encode() not in kept


def test_a_token_holds_until_it_expires(access: Access) -> None:
    token = access.add("asha", Role.OPERATOR, **BY, now=NOW, days=2)
    for days, holds in ((0, True), (1.99, True), (2, False), (400, False)):
        asker = access.bearer(token, NOW + timedelta(days=days))
        assert (asker is not None) is holds, days
    assert access.bearer(token + "x", NOW) is None
    assert access.bearer("", NOW) is None


def test_a_revoked_token_ends_its_sessions_too(access: Access) -> None:
    token = access.add("asha", Role.OPERATOR, **BY, now=NOW)
    signed_in = access.sign_in(token, NOW)
    assert signed_in is not None
    assert access.by_session(signed_in[0], NOW) is not None
    assert access.revoke("asha", **BY, now=NOW) == 1
    assert access.bearer(token, NOW) is None
    assert access.by_session(signed_in[0], NOW) is None
    assert access.sign_in(token, NOW) is None


def test_a_session_ends_with_its_shift_or_its_token(access: Access) -> None:
    lasting = access.add("asha", Role.OPERATOR, **BY, now=NOW)
    short = access.add("ben", Role.VIEWER, **BY, now=NOW, days=0.25)
    secrets = {
        name: found[0] for name, token in (("asha", lasting), ("ben", short)) if (found := access.sign_in(token, NOW))
    }
    just_before = NOW + SESSION - timedelta(seconds=1)
    assert access.by_session(secrets["asha"], just_before) is not None
    assert access.by_session(secrets["asha"], NOW + SESSION) is None
    assert access.by_session(secrets["ben"], just_before) is None
    access.sign_out(secrets["asha"])
    assert access.by_session(secrets["asha"], NOW) is None


def test_a_link_signs_in_once_within_its_hour_and_is_no_bearer(access: Access) -> None:
    first, late = (access.link("asha", Role.OPERATOR, **BY, now=NOW) for _ in range(2))
    assert access.bearer(first, NOW) is None
    found = access.sign_in(first, NOW)
    assert found is not None
    assert access.sign_in(first, NOW) is None
    assert access.by_session(found[0], NOW + 2 * LINK) is not None
    assert access.sign_in(late, NOW + LINK) is None
    assert not access.any_lasting(NOW)


def test_a_token_of_one_site_says_nothing_at_another(access: Access, url: str) -> None:
    token = access.add("asha", Role.ADMIN, **BY, now=NOW)
    with Access(url, "elsewhere") as other:
        assert other.bearer(token, NOW) is None
        assert other.sign_in(token, NOW) is None
        assert not other.any_lasting(NOW)


@pytest.mark.parametrize(
    ("name", "days", "field"),
    [("", None, "name"), ("a b", None, "name"), ("a" * 61, None, "name"), ("ben", 0, "days"), ("ben", 9999, "days")],
)
def test_bad_wishes_are_refused(access: Access, name: str, days: float | None, field: str) -> None:
    with pytest.raises(InputError, match=field):
        access.add(name, Role.VIEWER, **BY, now=NOW, days=days)
    assert access.tokens() == ()


def test_a_name_is_one_person(access: Access) -> None:
    access.add("asha", Role.VIEWER, **BY, now=NOW)
    with pytest.raises(InputError, match="revoke"):
        access.add("asha", Role.ADMIN, **BY, now=NOW)
    with pytest.raises(InputError, match="list"):
        access.revoke("ben", **BY, now=NOW)


def test_every_command_is_audited_and_no_secret_leaves(access: Access, url: str) -> None:
    token = access.add("asha", Role.OPERATOR, **BY, now=NOW)
    access.sign_in(token, NOW)
    access.revoke("asha", **BY, now=NOW)
    with Reader(url, "here") as reader:
        told = {(entry.who, entry.role, entry.action) for entry in reader.audit()}
    assert told == {
        ("root", "shell", "access add"),
        ("asha", "operator", "sign in"),
        ("root", "shell", "access revoke"),
    }
    assert not any(row.startswith('{"table": "access') for row in export_lines(url))
