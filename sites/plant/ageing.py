"""Battery ageing: five models for two chemistries, shown as a band, because they disagree.

Relative capacity is ``q = 1 - loss_time - loss_cycles`` (Kokam: the lesser of that and an active-material
limit). Losses follow a law of their own in time ``t`` [days] or in throughput ``n`` [equivalent full cycles],
and are advanced incrementally from where they stand, so stress may change from step to step:

    power      y = k x^p             dy/dx = k p (y/k)^((p-1)/p)                                          (1)
    power B    y = (k x)^p           dy/dx = p (k z)^p / z,  z = y^(1/p) / k                              (2)
    sigmoid    y = 2 Y (1/2 - 1/(1 + exp((k x)^p)))   in x from y, then its slope                         (3)

With T [K], anode potential U(s) [V] of a graphite electrode (Safari & Delacourt 2011, doi 10.1149/1.3567007),
depth of discharge D, mean current C [1/h]:

    LFP_250AH   time power 0.526, k = 8.37e4 exp(-5210/T) exp(-3560 U/T); cycles power 0.828,
                k = (4.38e-8 + 1.55e-8 D + 1.68e-7 C) (exp(2190/T) + exp(-155000/T))
                data doi 10.1016/j.est.2023.109042
    LFP_SONY    time sigmoid, Y and p functions of T and U; cycles power B 1.128
                Gasper et al. 2021, doi 10.1149/1945-7111/ac86a8; data Naumann et al. 2018, 2020
    LFP_SAM     time square root, cycles power 0.553: fitted here on results of SAM's stateful LFP battery for one duty
                (80 % a day, 5 to 45 C); its scaling with D is linear, which is our assumption
    NMC_75AH    time power 0.578, cycles power 1.11, both with normalised T and U
    NMC_KOKAM   time power 0.357, cycles power 0.778, active material sigmoid; Smith et al. 2017,
                doi 10.23919/ACC.2017.7963578 (also SAM's NMC model)

Constants of all but LFP_SAM are those published with BLAST-Lite (NREL, BSD-3). Valid from about 10 to 45 C and at
moderate currents; outside they extrapolate. Plain floats only: numba compiles these functions as they stand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

LFP_250AH = 0
LFP_SONY = 1
LFP_SAM = 2
NMC_75AH = 3
NMC_KOKAM = 4
MODEL_NAMES = ("LFP 250 Ah", "LFP Sony-Murata", "LFP SAM", "NMC 75 Ah", "NMC Kokam")
LFP_MODELS = (LFP_250AH, LFP_SONY, LFP_SAM)
NMC_MODELS = (NMC_75AH, NMC_KOKAM)
ZERO_C_K = 273.15


class AgeState(NamedTuple):
    """How much capacity is lost to what, as fractions of the first day's capacity."""

    by_time_frac: float = 0.0
    by_cycles_frac: float = 0.0
    by_material_frac: float = 0.0


class Stress(NamedTuple):
    """What a battery went through in a step of days, averaged over it."""

    days: float
    full_cycles: float
    """Equivalent full cycles of the first day's capacity: half of all SoC moved, times the health."""
    depth_frac: float
    """Highest less lowest SoC."""
    current_per_h: float
    """Mean of the absolute current over the first day's capacity."""
    soc_frac: float
    cell_c: float
    rate_a: float
    """Mean of ``calendar_rates(...)[0]`` over the step."""
    rate_b: float
    """Mean of ``calendar_rates(...)[1]`` over the step."""


def anode_potential_v(soc_frac: float) -> float:
    """Return the potential of a graphite anode [V] at a state of charge (Safari & Delacourt 2011)."""
    x = 8.5e-3 + soc_frac * (0.78 - 8.5e-3)
    return (
        0.6379
        + 0.5416 * math.exp(-305.5309 * x)
        + 0.044 * math.tanh(-(x - 0.1958) / 0.1088)
        - 0.1978 * math.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * math.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * math.tanh((x - 0.5692) / 0.0875)
    )


def calendar_rates(model: int, soc_frac: float, cell_c: float) -> tuple[float, float]:
    """Return the one or two coefficients of a model's calendar law at a state of charge and temperature."""
    temp_k = cell_c + ZERO_C_K
    potential = anode_potential_v(soc_frac)
    if model == LFP_250AH:
        return 8.37e4 * math.exp(-5.21e3 / temp_k) * math.exp(-3.56e3 * potential / temp_k), 0.0
    if model == LFP_SONY:
        return _sony_calendar(potential, temp_k)
    if model == LFP_SAM:
        return 1.925e-3 * math.exp(-2870.0 * (1.0 / temp_k - 1.0 / 293.15)), 0.0
    normal_t, normal_u = temp_k / (ZERO_C_K + 35.0), potential / 0.123
    if model == NMC_75AH:
        return 8.71e-7 * math.exp(10.0 * normal_t**3 * math.pow(normal_u, -1.0 / 3.0)), 0.0
    return 2.66e7 * math.exp(-17.8 / normal_t) * math.exp(-5.21 * normal_u / normal_t), 0.0


def _sony_calendar(potential: float, temp_k: float) -> tuple[float, float]:
    root2, root3, root4 = math.sqrt(potential), math.pow(potential, 1.0 / 3.0), math.pow(potential, 0.25)
    height = 0.989687151293590 * math.exp(-2881067.56019324 / temp_k**2 * root2 + 8742.06309157261 / temp_k * root2)
    bend = 0.000332850281062177 * math.exp(
        734553185711.369 / temp_k**4 * root3
        - 2.82161575620780e-06 * temp_k**3 * root4
        - 3284991315.45121 / temp_k**3 * root3
        + 0.00127227593657290 * temp_k**2 * root4
    )
    return height, bend


def cycle_rate(model: int, stress: Stress) -> float:
    """Return the coefficient of a model's cycling law under a stress."""
    temp_k = stress.cell_c + ZERO_C_K
    depth, current = stress.depth_frac, stress.current_per_h
    if model == LFP_250AH:
        warm = math.exp(2.19e3 / temp_k) + math.exp(-1.55e5 / temp_k)
        return (4.38e-8 + 1.55e-8 * depth + 1.68e-7 * current) * warm
    if model == LFP_SONY:
        return abs(
            -6.81260579372875e-06
            + 2.59615973160844e-05 * depth
            + 2.11559710307295e-06 * math.exp(depth**2 * current**3)
        )
    if model == LFP_SAM:
        return 0.0333 * math.pow(1.0 / 292.0, 0.553) * depth / 0.8
    normal_t = temp_k / (ZERO_C_K + 35.0)
    if model == NMC_75AH:
        return abs(
            0.0267
            + 1.64 * normal_t**3 * math.sqrt(depth)
            + 0.011 * math.exp(current**2 / math.sqrt(normal_t))
            - 0.44 * math.exp(math.sqrt(depth) * normal_t**2 * math.sqrt(current))
        )
    return 3.80e3 * math.exp(-18.4 / normal_t) * math.exp(1.04 * math.exp(depth**2))


def power_growth(y: float, dx: float, k: float, p: float) -> float:
    """Return the growth of ``y = k x^p`` over ``dx`` from where it stands, law (1)."""
    if dx <= 0.0 or k <= 0.0:
        return 0.0
    if y <= 0.0:
        return k * math.pow(dx, p)
    return k * p * math.pow(y / k, (p - 1.0) / p) * dx


def power_b_growth(y: float, dx: float, k: float, p: float) -> float:
    """Return the growth of ``y = (k x)^p`` over ``dx`` from where it stands, law (2)."""
    if dx <= 0.0 or k <= 0.0:
        return 0.0
    if y <= 0.0:
        return math.pow(k * dx, p)
    z = math.pow(y, 1.0 / p) / k
    return p * math.pow(k * z, p) / z * dx


def sigmoid_growth(y: float, dx: float, high: float, k: float, p: float) -> float:
    """Return the growth of a sigmoid of height ``high`` over ``dx`` from where it stands, law (3)."""
    if dx <= 0.0 or y >= high:
        return 0.0
    if y <= 0.0:
        return 2.0 * high * (0.5 - 1.0 / (1.0 + math.exp(math.pow(k * dx, p))))
    z = math.log(-(2.0 * high / (y - high)) - 1.0)
    x = math.pow(z, 1.0 / p) / k
    return 2.0 * high * p * math.exp(z) * z / (x * (math.exp(z) + 1.0) ** 2) * dx


def advance(model: int, state: AgeState, stress: Stress) -> AgeState:
    """Return the losses after a step."""
    time, cycles, material = state.by_time_frac, state.by_cycles_frac, state.by_material_frac
    rate = cycle_rate(model, stress)
    if model == LFP_250AH:
        time = time + power_growth(time, stress.days, stress.rate_a, 0.526)
        cycles = cycles + power_growth(cycles, stress.full_cycles, rate, 0.828)
    elif model == LFP_SONY:
        time = time + sigmoid_growth(time, stress.days, stress.rate_a, 0.000130510034211874, stress.rate_b)
        cycles = cycles + power_b_growth(cycles, stress.full_cycles, rate, 1.12847759334355)
    elif model == LFP_SAM:
        time = time + power_growth(time, stress.days, stress.rate_a, 0.5)
        cycles = cycles + power_growth(cycles, stress.full_cycles, rate, 0.553)
    elif model == NMC_75AH:
        time = time + power_growth(time, stress.days / 1e3, stress.rate_a, 0.578)
        cycles = cycles + power_growth(cycles, stress.full_cycles / 1e4, rate, 1.11)
    else:
        time = time + power_growth(time, stress.days, stress.rate_a, 0.357)
        cycles = cycles + power_growth(cycles, stress.full_cycles, rate, 0.778)
        reach = 1e4 + 153.0 * (stress.cell_c - 55.0) * stress.depth_frac * stress.soc_frac / 0.6
        material = material + sigmoid_growth(material, stress.full_cycles, 1.0, 1.0 / max(reach, 1.0), 10.0)
    return AgeState(time, cycles, material)


def health_frac(model: int, state: AgeState) -> float:
    """Return the capacity left over the first day's capacity, never below zero."""
    by_lithium = 1.0 - state.by_time_frac - state.by_cycles_frac
    by_material = 1.01 - state.by_material_frac if model == NMC_KOKAM else 1.0
    return max(0.0, min(1.0, by_lithium, by_material))
