"""What a kWh through a battery wears, from the ageing models of its chemistry.

A battery that is cycled once a day for ten years loses a part of its capacity to cycling. That loss over what may be lost
until it is replaced, times the price of a new one, spread over the energy that went through, is the wear price. The median
of the models is taken. What is lost to time alone is not in it: no plan can save that.
"""

from __future__ import annotations

from sites.plant.ageing import LFP_MODELS, NMC_MODELS, AgeState, Stress, advance, calendar_rates

USUAL_DEPTH_FRAC = 0.8
USUAL_SOC_FRAC = 0.55
USUAL_CELL_C = 25.0
YEARS = 10
STEP_DAYS = 5.0


def cycling_loss_frac(model: int) -> float:
    """Return the capacity lost to cycling alone in ten years of one full cycle a day at usual depth, charge and warmth."""
    one, two = calendar_rates(model, USUAL_SOC_FRAC, USUAL_CELL_C)
    step = Stress(STEP_DAYS, STEP_DAYS, USUAL_DEPTH_FRAC, 2.0 / 24.0, USUAL_SOC_FRAC, USUAL_CELL_C, one, two)
    state = AgeState()
    for _ in range(round(YEARS * 365.0 / STEP_DAYS)):
        state = advance(model, state, step)
    return state.by_cycles_frac


def wear_usd_per_kwh(chemistry: str, battery_usd_per_kwh: float, *, end_frac: float = 0.7) -> float:
    """Return what each kWh discharged wears [USD].

    Args:
        chemistry: ``lfp`` or ``nmc``.
        battery_usd_per_kwh: price of a new battery.
        end_frac: health at which it is replaced.
    """
    models = LFP_MODELS if chemistry == "lfp" else NMC_MODELS
    losses = sorted(cycling_loss_frac(model) for model in models)
    middle = 0.5 * (losses[(len(losses) - 1) // 2] + losses[len(losses) // 2])
    return battery_usd_per_kwh * middle / (1.0 - end_frac) / (YEARS * 365.0)
