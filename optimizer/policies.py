"""Policies by name: everything that turns a problem into a plan.

``planner`` is the product's own. ``oracle`` is the same planner on a perfect forecast, which the caller provides. ``rules``,
``cycle_charging``, ``fifo`` and ``greedy`` are rules without a solver. ``greenswitch`` plans deterministically on the
expected sun in the manner of GreenSwitch (Goiri et al., *Parasol and GreenSwitch*, ASPLOS 2013): a linear program for
sources and storage, hourly, work deferred to sun where deadlines allow, services at full mode and no power limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from optimizer.ladder import answer, climb
from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.rules.roll import rules_plan


class Policy(Protocol):
    """Turns a problem into a plan, always."""

    @property
    def name(self) -> str:
        """Name on the command line and in reports."""
        ...

    def plan(self, problem: Problem) -> Plan:
        """Return a plan; never raises for a problem that is well formed."""
        ...


@dataclass(frozen=True, kw_only=True)
class NamedPolicy:
    """A policy made of a function."""

    name: str
    make: Callable[[Problem], Plan]

    def plan(self, problem: Problem) -> Plan:
        """Return the function's plan."""
        return self.make(problem)


def _ladder(name: str) -> NamedPolicy:
    return NamedPolicy(name=name, make=lambda problem: answer(problem, policy=name))


def _rules(name: str) -> NamedPolicy:
    return NamedPolicy(
        name=name,
        make=lambda problem: climb(problem, lambda mended: rules_plan(mended, style=name), policy=name),
    )


def _greenswitch() -> NamedPolicy:
    def first(problem: Problem) -> Plan:
        from optimizer.greenswitch import greenswitch_plan

        return greenswitch_plan(problem)

    return NamedPolicy(name="greenswitch", make=lambda problem: climb(problem, first, policy="greenswitch"))


POLICIES: dict[str, NamedPolicy] = {
    each.name: each
    for each in (
        _ladder("planner"),
        _ladder("oracle"),
        _rules("rules"),
        _rules("cycle_charging"),
        _rules("fifo"),
        _rules("greedy"),
        _greenswitch(),
    )
}


def policy(name: str) -> Policy:
    """Return a policy.

    Raises:
        KeyError: no such policy; the message lists those there are.
    """
    if name not in POLICIES:
        raise KeyError(f"no policy {name!r}; there are {', '.join(POLICIES)}")
    return POLICIES[name]
