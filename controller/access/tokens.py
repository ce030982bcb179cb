"""Tokens: 256 random bits in text, of which only the SHA-256 digest is kept.

A slow hash protects what people make up; a token is drawn at random, so 2^256 guesses stand between its digest and
the token, and a fast hash lets every request be checked. The prefix lets secret scanners find one that was leaked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

PREFIX = "mdc_"
BYTES = 32
SECRET = re.compile(r"mdc_[A-Za-z0-9_-]{20,}")
"""What looks like a token or a session anywhere in a text."""


def new_token() -> str:
    """Return a token that nobody has had before; it is shown once and kept nowhere."""
    return PREFIX + secrets.token_urlsafe(BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(session: str) -> str:
    """Return the value that forms of a session carry against forged requests; tells nothing about the session."""
    return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare without telling by the time taken where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def without_secrets(text: str) -> str:
    """Return a text with every token in it struck out."""
    return SECRET.sub("mdc_[struck out]", text)
