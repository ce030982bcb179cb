"""Tokens are long, different, kept as digests only, and struck out of texts."""

from __future__ import annotations

import pytest

from controller.access.roles import Role
from controller.access.tokens import BYTES, digest, form_token, new_token, same, without_secrets


def test_tokens_hold_256_random_bits() -> None:
    assert BYTES * 8 == 256
    assert len({new_token() for _ in range(1000)}) == 1000


def test_a_digest_does_not_hold_the_token() -> None:
    token = new_token()
    assert token not in digest(token)
    assert digest(token) == digest(token) != digest(new_token())


def test_the_form_token_differs_by_session_and_does_not_tell_it() -> None:
    one, other = new_token(), new_token()
    assert form_token(one) != form_token(other)
    assert one not in form_token(one)
    assert not same(form_token(one), form_token(other))


def test_tokens_are_struck_out() -> None:
    token = new_token()
    assert token not in without_secrets(f"GET /enter?key={token} failed; Bearer {token}")
    assert without_secrets("mdc_run is a name") == "mdc_run is a name"


@pytest.mark.parametrize(
    ("role", "covered"),
    [(Role.VIEWER, "viewer"), (Role.OPERATOR, "viewer operator"), (Role.ADMIN, "viewer operator admin")],
)
def test_each_role_may_what_those_before_it_may(role: Role, covered: str) -> None:
    assert [each.value for each in Role if role.covers(each)] == covered.split()
