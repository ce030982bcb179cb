"""The wear price is what the ageing models say, in closed form where a model has one."""

from __future__ import annotations

import math

import pytest

from sites.plant import ageing
from sites.plant.wear import cycling_loss_frac, wear_usd_per_kwh


def test_ten_years_of_cycling_follow_the_published_power_law() -> None:
    warm = math.exp(2190.0 / 298.15) + math.exp(-155000.0 / 298.15)
    rate = (4.38e-8 + 1.55e-8 * 0.8 + 1.68e-7 * 2.0 / 24.0) * warm
    assert cycling_loss_frac(ageing.LFP_250AH) == pytest.approx(rate * 3650.0**0.828, rel=0.01)
    assert cycling_loss_frac(ageing.LFP_SAM) == pytest.approx(0.0333 * (3650.0 / 292.0) ** 0.553, rel=0.01)


def test_wear_is_the_middle_models_loss_over_what_may_be_lost() -> None:
    middle = sorted(cycling_loss_frac(model) for model in ageing.LFP_MODELS)[1]
    assert wear_usd_per_kwh("lfp", 300.0) == pytest.approx(300.0 * middle / 0.3 / 3650.0)
    assert wear_usd_per_kwh("lfp", 600.0, end_frac=0.4) == pytest.approx(wear_usd_per_kwh("lfp", 300.0))
    assert wear_usd_per_kwh("nmc", 300.0) > wear_usd_per_kwh("lfp", 300.0)
