"""Roles, each of which may do all that the one before it may.

| role | may |
|---|---|
| viewer | look: pages, documents, metrics |
| operator | command: jobs, reviews, overrides, acknowledgements, fuel |
| admin | give and take access |

``shell`` is nobody's role on the network: the audit trail says it of commands given on the machine itself, by someone
who can write the store and so could do anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A role on the network, least first."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Return whether this role may do what ``needed`` may."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


SHELL = "shell"


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks, as the audit trail names them."""

    name: str
    role: Role
    signed_in: bool = True
    """False for somebody on the machine itself who may look without a token."""


LOCAL_VIEWER = Asker(name="local", role=Role.VIEWER, signed_in=False)
