"""A compute host: idle power, and the minutes and energy it costs to power it on.

    OFF --on--> BOOTING (boot_s at boot_w) --> ON (idle_w plus whatever its GPUs draw) --off--> OFF (off_w:
    BMC, fans)

Several hosts that boot together are staggered by the caller. Typical figures: an 8-GPU server draws 0.5 to 2
kW with idle GPUs (e.g. NVIDIA DGX H100 user guide) and boots in 5 to 10 minutes (memory training, firmware).
"""

from __future__ import annotations

from typing import NamedTuple


class NodeParams(NamedTuple):
    """What a host draws in each state, GPUs aside, and how long it boots."""

    idle_w: float
    boot_w: float
    off_w: float
    boot_s: float


class NodeState(NamedTuple):
    """Share of hosts' life cycle: seconds of boot still to go (0 when up), and whether it is powered."""

    powered: bool = False
    boot_left_s: float = 0.0


def step(params: NodeParams, state: NodeState, want_on: bool, dt_s: float) -> tuple[NodeState, float, float]:
    """Return the state after ``dt_s``, the average power [W], and the share of the step in which it could work."""
    if not want_on:
        return NodeState(False, 0.0), params.off_w, 0.0
    boot_s = state.boot_left_s if state.powered else params.boot_s
    booting_s = min(boot_s, dt_s)
    ready_frac = 1.0 - booting_s / dt_s
    power_w = params.boot_w * booting_s / dt_s + params.idle_w * ready_frac
    return NodeState(True, boot_s - booting_s), power_w, ready_frac


def boot_energy_kwh(params: NodeParams) -> float:
    """Return the energy of one boot [kWh], the planner's price of powering a host on."""
    return params.boot_w * params.boot_s / 3.6e6
