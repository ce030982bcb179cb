"""Chained services under one budget: which modes of their stages keep it together.

    sum over stages of first_frac P99(mode) <= budget                                                         (19b)

A stage hands on what it has after ``first_frac`` of its response time, so the sum is the time to the last stage's first output.
Stages of one chain promise their P99 at levels that share out the late requests; then the sum holds whatever the stages have
in common (``P(sum > sum q_i) <= sum of the tails``, :mod:`sites.compute.chain`). A stage that serves nothing takes no time.
Imports no solver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from optimizer.problem import ChainProblem, Problem
from optimizer.workload import menu
from sites.compute.records import ServingMode

TOLERANCE_S = 1e-6


def share_of(chain: ChainProblem, service: str) -> float:
    """Return the part of a service's response time that counts in a chain; 0 where it is no stage of it."""
    return sum(stage.first_frac for stage in chain.stages if stage.service == service)


def time_s(chain: ChainProblem, modes: Mapping[str, ServingMode]) -> float:
    """Return the left side of (19b) for the modes of services."""
    return sum(stage.first_frac * modes[stage.service].p99_s for stage in chain.stages if modes[stage.service].gpus)


def least_s(problem: Problem, chain: ChainProblem) -> float:
    """Return the left side of (19b) with the quickest mode of each stage."""
    return sum(stage.first_frac * _quickest_s(problem).get(stage.service, 0.0) for stage in chain.stages)


class Rooms:
    """What the budgets of chains still hold while services choose their modes one after the other."""

    def __init__(self, problem: Problem) -> None:
        self._left = {chain.name: chain.p99_s for chain in problem.chains}
        self._quickest = _quickest_s(problem) if problem.chains else {}
        self._shares = {
            service.name: [
                (chain, share_of(chain, service.name)) for chain in problem.chains if share_of(chain, service.name)
            ]
            for service in problem.services
        }
        self._waiting = set(self._shares)

    def most_s(self, service: str) -> float:
        """Return the longest P99 that a mode of a service may have.

        It leaves the services that have not chosen yet the time of their quickest modes; where not even that is possible
        they get what is left.
        """
        rooms = (self._room_s(chain, service, share) / share for chain, share in self._shares[service])
        return min(rooms, default=math.inf) + TOLERANCE_S

    def take(self, service: str, mode: ServingMode) -> None:
        """Let a service have a mode."""
        self._waiting.discard(service)
        for chain, share in self._shares[service]:
            self._left[chain.name] -= share * mode.p99_s if mode.gpus else 0.0

    def _room_s(self, chain: ChainProblem, service: str, share: float) -> float:
        others = {stage.service for stage in chain.stages if stage.service in self._waiting} - {service}
        kept = sum(share_of(chain, other) * self._quickest.get(other, 0.0) for other in others)
        room = self._left[chain.name] - kept
        return room if room >= share * self._quickest.get(service, 0.0) - TOLERANCE_S else self._left[chain.name]


def _quickest_s(problem: Problem) -> dict[str, float]:
    """Return the least P99 of each service that has a mode which serves."""
    found = {service.name: [mode.p99_s for mode in menu(service) if mode.gpus] for service in problem.services}
    return {name: min(times) for name, times in found.items() if times}
