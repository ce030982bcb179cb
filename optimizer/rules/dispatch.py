"""The two classic ways to run a genset beside a battery, as scalar decisions.

With ``net = load - pv`` (positive: the sun falls short), battery limits ``c`` (charge) and ``d`` (discharge) of the step,
and the running gensets' joint minimum ``lo`` and rating ``hi``:

    load following    the battery carries the net load while it can; a genset that runs carries the net load, or with
                      ``battery_first`` only what the battery cannot, never below lo; what it makes too much charges
                      the battery.                                                                               (1)
    cycle charging    a running genset works at hi as far as the battery can take the rest; it runs on until the
                      set point SoC.                                                                             (2)
    surplus           the sun's surplus charges the battery, the rest is curtailed.                              (3)

A genset is wanted when the battery cannot carry the net load, or its SoC is at or below ``start_soc_frac``; once on it
stays on until the SoC reaches ``stop_soc_frac`` and the battery can carry the net load alone (4). With
``start_soc_frac = stop_soc_frac = 0`` this is plain load following as in Microgrids.jl and HOMER.

Sources: Barley & Winn, *Optimal dispatch strategy in remote hybrid power systems*, Solar Energy 58 (1996), names the
strategies and the set point; HOMER Pro help, "Load following" and "Cycle charging". Plain floats and named tuples only:
the site-design kernel compiles these functions as they stand.
"""

from __future__ import annotations

from typing import NamedTuple

LOAD_FOLLOWING = 0
CYCLE_CHARGING = 1


class RuleParams(NamedTuple):
    """How gensets are run."""

    strategy: int = LOAD_FOLLOWING
    battery_first: bool = True
    """Whether a running genset under load following carries only what the battery cannot."""
    start_soc_frac: float = 0.0
    """SoC at or below which a genset is started; 0 = only when the battery cannot carry the load."""
    stop_soc_frac: float = 0.0
    """Set point: SoC that ends a run; 0 = as soon as the battery can carry the load."""


class Dispatch(NamedTuple):
    """Mean powers of a step; ``pv + genset + battery = load - unserved + spilled``."""

    genset_kw: float
    """All running gensets together."""
    battery_kw: float
    """Positive discharges into the bus."""
    spilled_kw: float
    """Power for which there is no use: curtailed sun first, then what a genset's minimum load makes too much."""
    unserved_kw: float
    """Load that nothing can meet."""


def genset_wanted(params: RuleParams, running: bool, soc_frac: float, net_kw: float, discharge_kw: float) -> bool:
    """Return whether the rules want a genset on (4).

    ``discharge_kw`` is what the battery can give over the step, ``net_kw`` the load less the sun.
    """
    short = net_kw > discharge_kw + 1e-9
    if running:
        return short or soc_frac < params.stop_soc_frac
    return short or (soc_frac <= params.start_soc_frac and net_kw > 0.0)


def dispatch(
    params: RuleParams,
    net_kw: float,
    charge_kw: float,
    discharge_kw: float,
    genset_min_kw: float,
    genset_max_kw: float,
) -> Dispatch:
    """Return the powers of a step by (1) to (3); both genset limits are 0 when none runs.

    ``charge_kw`` and ``discharge_kw`` are the battery's limits over the step, both non-negative, at the bus.
    """
    if params.strategy == CYCLE_CHARGING:
        wanted_kw = net_kw + charge_kw
    elif params.battery_first:
        wanted_kw = net_kw - discharge_kw
    else:
        wanted_kw = net_kw
    genset_kw = min(genset_max_kw, max(wanted_kw, genset_min_kw, 0.0))
    left_kw = net_kw - genset_kw
    battery_kw = max(-charge_kw, min(left_kw, discharge_kw))
    rest_kw = left_kw - battery_kw
    return Dispatch(genset_kw, battery_kw, max(-rest_kw, 0.0), max(rest_kw, 0.0))


class RunSpan(NamedTuple):
    """When in a step a genset runs, in hours from the step's begin; may lie beyond its end."""

    begin_h: float
    """Begin of the run: it is asked to start; negative when it runs already."""
    from_h: float
    """It begins to carry load."""
    to_h: float
    """It ends to carry load."""


def run_span(
    running: bool,
    hours_in_state: float,
    asked_h: float,
    stop_h: float,
    delay_h: float,
    min_run_h: float,
    min_down_h: float,
) -> RunSpan:
    """Return when a genset runs, in continuous time, so that the length of a step does not matter.

    ``asked_h`` is when a run is wanted by one that rests, ``stop_h`` how long after it begins to carry load (or after
    the step's begin) it is wanted no longer, ``delay_h`` cranking and warm-up, ``min_run_h`` counts from carrying load.
    """
    begin_h = -hours_in_state if running else max(asked_h, min_down_h - hours_in_state)
    ready_h = begin_h + delay_h
    from_h = max(0.0, ready_h)
    return RunSpan(begin_h, from_h, max(from_h + stop_h, ready_h + min_run_h))


def carried_kw(params: RuleParams, net_kw: float, discharge_kw: float) -> float:
    """Return the power for which gensets are committed: the net load, or what the battery cannot carry of it."""
    return net_kw - discharge_kw if params.battery_first else net_kw


def gensets_needed(missing_kw: float, rating_kw: float, count: int) -> int:
    """Return how many equal gensets carry ``missing_kw``: at least one, at most ``count``."""
    needed = 1
    while needed < count and needed * rating_kw < missing_kw - 1e-9:
        needed = needed + 1
    return needed


def held(running: bool, hours_in_state: float, min_run_h: float, min_down_h: float) -> bool:
    """Return whether a genset may not change its state yet."""
    return hours_in_state < (min_run_h if running else min_down_h) - 1e-9
