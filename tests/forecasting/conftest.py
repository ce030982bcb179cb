"""Sites and plants that several tests use."""

from __future__ import annotations

import pytest

from forecasting.pv.model import ArrayModel, InverterModel, PvModel
from sites.load import load_site
from sites.schema.site import Site


@pytest.fixture(scope="session")
def container() -> Site:
    """The example container near Greensboro."""
    return load_site("container")


@pytest.fixture(scope="session")
def plant() -> PvModel:
    """100 kW DC at 30 degrees to the south in Greensboro, PVWatts' usual figures."""
    array = ArrayModel(name="roof", dc_kw=100.0, tilt_deg=30.0, azimuth_deg=180.0, losses_frac=0.14)
    inverter = InverterModel(name="inverter", ac_kw=100.0 / 1.2, efficiency_frac=0.96, arrays=("roof",))
    return PvModel(latitude_deg=36.1, longitude_deg=-79.95, altitude_m=273.0, arrays=(array,), inverters=(inverter,))
