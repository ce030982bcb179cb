"""Derive the cold-start prior in ``forecasting/data/sky_prior.csv`` from a year at four SURFRAD stations.

Run ``python -m benchmarks.forecast_sky_prior > forecasting/data/sky_prior.csv``. Source: SURFRAD 2018 (NOAA),
5-min GHI over McClear clear-sky GHI, averaged to 15 min; station = climate (Desert Rock: arid, Fort Peck:
steppe, Bondville: continental, Goodwin Creek: subtropical). For each lead group of the sky model and each class
of the last hour's index: quantiles of the index at the target, weighted with clear-sky irradiance. ``state`` is
the class of the last hour's energy-weighted index, at night that of the last hour of daylight.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from benchmarks.forecast_surfrad import LONGITUDE
from benchmarks.forecast_table import shared_file
from forecasting.learn.features import STATE_NAMES, SkySeries, clipped_index, state_features
from forecasting.learn.skymodel import GROUPS, training_pairs
from forecasting.skyprior import LEVELS, STATE_EDGES
from forecasting.sun import Floats

CLIMATES = {
    "Desert_Rock_NV": "arid",
    "Fort_Peck_MT": "steppe",
    "Bondville_IL": "continental",
    "Goodwin_Creek_MS": "subtropical",
}


def main() -> str:
    """Return the table as CSV text."""
    table = pd.read_parquet(shared_file("solar/surfrad_2018_5min.parquet"))
    lines = ["# SURFRAD 2018, 15-min GHI over McClear clear-sky GHI; see benchmarks/forecast_sky_prior.py"]
    lines.append(",".join(["climate", "from_h", "state", "pairs", *(f"q{level:g}" for level in LEVELS)]))
    for name, part in table.groupby("site"):
        rows = part.set_index("time_utc")[["ghi", "ghi_clear_mcclear"]].astype(float).resample("15min").mean()
        clear = rows["ghi_clear_mcclear"].to_numpy()
        index = clipped_index(rows["ghi"].to_numpy(), clear, np.ones(len(rows), dtype=bool), floor=30.0)
        series = SkySeries(
            start=pd.Timestamp(rows.index[0]),
            step_h=0.25,
            clear=clear,
            index=index,
            longitude_deg=LONGITUDE[str(name)],
            rating=1000.0,
        )
        state = state_features(series)[:, STATE_NAMES.index("m1")]
        for number, group in enumerate(GROUPS):
            issue, target = training_pairs(series, group, last=len(index), thin=1, seed=number)
            classes = np.searchsorted(STATE_EDGES, state[issue])
            for number_of_class in range(len(STATE_EDGES) + 1):
                here = classes == number_of_class
                values = weighted_quantiles(index[target][here], clear[target][here], np.array(LEVELS))
                figures = ",".join(f"{value:.3f}" for value in values)
                lines.append(f"{CLIMATES[str(name)]},{group.from_h:g},{number_of_class},{int(here.sum())},{figures}")
    return "\n".join(lines) + "\n"


def weighted_quantiles(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Return quantiles of weighted values."""
    order = np.argsort(values)
    share = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return np.asarray(np.interp(levels, share, values[order]), dtype=float)


if __name__ == "__main__":
    sys.stdout.write(main())
