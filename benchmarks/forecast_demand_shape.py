"""Derive the demand figures in ``forecasting/data/demand_shape.yaml`` from two weeks of measured request rates.

Source: Alibaba ServeGen, workload ``language/m-large`` summed over clients, 14 days of 10-minute windows
(Apache-2.0). Run ``python -m benchmarks.forecast_demand_shape CSV`` to print the file.

The trace's clock is not stated. It is laid so that the trough of its mean day falls on 04:00 and its lowest two
neighbouring days on the weekend. Shape: logarithmic mean of the two weeks, smoothed (1, 2, 1)/4 around the
week, scaled to mean 1. Spread of one week's hour about the true shape: half the variance of the difference of
the two weeks (their mean would flatter it). Within the hour: what is left of the 10-minute windows. Correlation
time: where the autocorrelation of the hourly residual, corrected for the fitted mean, falls to 1/e.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import yaml


def main(path: str) -> str:
    """Return the YAML text."""
    table = pd.read_csv(path)
    rate = table.loc[table["workload"] == "language/m-large", "rate_req_s"].to_numpy(dtype=float)
    hours = rate.reshape(2, 168, 6)
    day = hours.mean(axis=(0, 2)).reshape(7, 24)
    trough = int(np.argmin(np.convolve(np.tile(day.mean(axis=0), 3), np.ones(3) / 3, "same")[24:48]))
    means = day.mean(axis=1)
    saturday = int(np.argmin(means + np.roll(means, -1)))
    shift = (5 - saturday) * 24 + (4 - trough)
    hourly = np.roll(np.log(hours.mean(axis=2)), shift, axis=1)
    shape = hourly.mean(axis=0)
    shape = (np.roll(shape, 1) + 2 * shape + np.roll(shape, -1)) / 4
    shape = np.exp(shape) / np.exp(shape).mean()
    residual = (hourly[1] - hourly[0]) / np.sqrt(2)
    slow_sd = float(residual.std())
    within = np.log(rate.reshape(-1, 6)) - np.log(rate.reshape(-1, 6).mean(axis=1, keepdims=True))
    centred = residual - residual.mean()
    correlation = [float(np.corrcoef(centred[:-k], centred[k:])[0, 1]) for k in range(1, 36)]
    slow_h = next(k for k, value in enumerate(correlation, start=1) if value < 1 / np.e)
    flat = within.ravel()
    lag1 = float(np.corrcoef(flat[:-1], flat[1:])[0, 1])
    return yaml.safe_dump(
        {
            "source": "Alibaba ServeGen language/m-large, 14 days of 10-min windows, Apache-2.0; "
            "see benchmarks/forecast_demand_shape.py",
            "slow_sd_log": round(slow_sd, 3),
            "slow_correlation_h": slow_h,
            "fast_sd_log": round(float(within.std()), 3),
            "fast_lag1_10min": round(lag1, 2),
            "hourly_from_monday": [round(float(value), 3) for value in shape],
        },
        sort_keys=False,
        default_flow_style=None,
        width=110,
    )


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1]))
