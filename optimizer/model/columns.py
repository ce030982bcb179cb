"""The variables of the planning model, by name."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimizer.model.matrix import Index


def _none() -> Index:
    return np.zeros(0, dtype=np.int32)


@dataclass(kw_only=True)
class Columns:
    """Column numbers of each variable; families fill in theirs. W scenarios, T intervals, G gensets, K tiers."""

    pv: Index = field(default_factory=_none)
    """Sun used [kW], W x T."""
    charge: Index = field(default_factory=_none)
    """Battery charge [kW], W x T; empty without battery, as are the next three."""
    discharge: Index = field(default_factory=_none)
    energy: Index = field(default_factory=_none)
    """Stored energy [kWh] at interval starts and at the end, W x T+1."""
    lift: Index = field(default_factory=_none)
    """How far stored energy lies under its lower limit [kWh], W x T+1."""
    free: Index = field(default_factory=_none)
    """Standby energy that an empty battery cannot give [kWh], W x T."""
    on: Index = field(default_factory=_none)
    """Genset runs, G x T."""
    start: Index = field(default_factory=_none)
    stop: Index = field(default_factory=_none)
    starts: Index = field(default_factory=_none)
    """Number of starts of all gensets over the horizon, one column."""
    genset: Index = field(default_factory=_none)
    """Genset power [kW], W x G x T."""
    below: Index = field(default_factory=_none)
    """Genset power missing to the minimum load [kW], W x G x T."""
    miss: dict[int, Index] = field(default_factory=dict)
    """Share of a genset that does not run although it has to, by genset number, for the intervals in which it has to."""
    fuel: Index = field(default_factory=_none)
    """Fuel flow [L/h], W x G x T."""
    level: Index = field(default_factory=_none)
    """Tank level [L], W x T+1."""
    shed: Index = field(default_factory=_none)
    """Tier load left unserved [kW], W x K x T."""
    dark: Index = field(default_factory=_none)
    """Load of hosts and cooling left unserved [kW], W x T."""
    drop: Index = field(default_factory=_none)
    """Batch power that nothing can feed, of a given load [kW on the bus], T."""
    reserve_battery: Index = field(default_factory=_none)
    """Reserve from the battery [kW], W x T."""
    reserve_short: Index = field(default_factory=_none)
    """Reserve missing [kW], W x T."""
    batch: list[Index] = field(default_factory=list)
    """GPUs of each group at each level, one levels x T block a group."""
    mode: list[Index] = field(default_factory=list)
    """Share of a mode, one modes x T block a service."""
    switch: list[Index] = field(default_factory=list)
    off: dict[int, Index] = field(default_factory=dict)
    """Nodes powered off, by pool number, T."""
    boots: dict[int, Index] = field(default_factory=dict)
    """Nodes powered on in an interval, by pool number, T."""
    work: list[Index] = field(default_factory=list)
    """Work of each place in each slot of its window [GPU-h at full speed], one segments x slots block a place."""
    done: Index = field(default_factory=_none)
    """Whether an all-or-nothing job is done; by job number, -1 for jobs paid by share."""


@dataclass(kw_only=True)
class Rows:
    """Row numbers that are needed after the solve."""

    balance: Index = field(default_factory=_none)
    """Power balance, W x T."""
    pool: Index = field(default_factory=_none)
    """GPUs of a pool, P x T."""
    reserve: Index = field(default_factory=_none)
    """Operating reserve, W x T."""
    heat: Index = field(default_factory=_none)
    """Heat of the room, T; empty where cooling has no limit."""
    nodes: dict[tuple[int, int], Index] = field(default_factory=dict)
    """Whole nodes that a service keeps on in a pool, by service and pool number, T."""
    chain: Index = field(default_factory=_none)
    """Time of a chain, C x T; empty without chains."""
    mode: list[Index] = field(default_factory=list)
    """Rows that hold one service's modes and switches together and nothing else, flat, one array a service."""
    tie: Index = field(default_factory=_none)
    """Batch GPUs alike in the intervals of a slot; free in the relaxation, binding in a plan."""
