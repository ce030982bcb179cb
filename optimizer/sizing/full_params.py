"""Parameters of the full model that all designs of a pass share."""

from __future__ import annotations

from typing import NamedTuple


class FullParams(NamedTuple):
    """What is neither battery, engine nor rule."""

    reserve_load_frac: float = 0.10
    """Share of the load kept in reserve when gensets are committed."""
    reserve_pv_frac: float = 0.25
    """Share of the sun kept in reserve."""
    ready_h: float = 1.0
    """Hours for which the battery must be able to carry net load and reserve, or a genset is committed."""
    inverter_per_kwh: float = 1.0
    """AC limit of the battery inverter over the battery's capacity [1/h]."""
    mttf_h: float = 1e12
    """Mean running time to a genset failure; 1,100 h in reliability studies."""
    repair_h: float = 48.0
    """How long a failed genset is out."""
    health_frac: float = 1.0
    """Health of the battery in the year that is simulated."""
    part_steps: float = 1.0
    """1: a run begins within the step in which its start level is reached; 0: runs begin with steps."""
