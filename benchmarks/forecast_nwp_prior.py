"""What a weather prediction is worth before a site has a record of it: ``python -m benchmarks.forecast_nwp_prior``.

Prints ``forecasting/data/nwp_prior.csv``: quantiles of the measured index by class of the predicted index, six PVOD
plants pooled, every third quarter hour of daylight. ``--check`` makes the table from plants 0, 1 and 4 and scores it on
plants 2, 3 and 5: pinball of the index, against the plant's own distribution over the same days (which it could not
know on its first day) and against the table's pooled distribution without any prediction.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.forecast_pvod import Plant, plants
from benchmarks.forecast_table import shared_file
from forecasting.nwp_prior import CENTRES, EDGES, between
from forecasting.skyprior import LEVELS
from forecasting.sun import Floats
from forecasting.verification import pinball

THIN = 3


def pairs(found: Sequence[Plant]) -> tuple[Floats, Floats]:
    """Return predicted and measured index of the daylight steps."""
    predicted, measured = [], []
    for plant in found:
        known = np.isfinite(plant.series.index) & np.isfinite(plant.nwp.index)
        predicted.append(plant.nwp.index[known][::THIN])
        measured.append(plant.series.index[known][::THIN])
    return np.concatenate(predicted), np.concatenate(measured)


def table_of(predicted: Floats, measured: Floats) -> Floats:
    """Return one row a class of the predicted index, one column a level."""
    classes = np.searchsorted(EDGES, predicted)
    return np.array([np.quantile(measured[classes == number], LEVELS) for number in range(len(CENTRES))])


def check(found: Sequence[Plant]) -> str:
    """Return the pinball losses on plants that the table does not come from."""
    learn = [plant for number, plant in enumerate(found) if number in (0, 1, 4)]
    predicted, measured = pairs(learn)
    table, levels = table_of(predicted, measured), np.array(LEVELS)
    pooled = np.quantile(measured, LEVELS)
    lines = []
    for plant in (plant for number, plant in enumerate(found) if number in (2, 3, 5)):
        n, y = pairs([plant])
        told = pinball(y, between(table, n), levels).mean()
        blind = pinball(y, np.tile(pooled, (len(y), 1)), levels).mean()
        own = pinball(y, np.tile(np.quantile(y, LEVELS), (len(y), 1)), levels).mean()
        lines.append(
            f"{plant.name}: with the table {told:.4f}, without a prediction {blind:.4f}, own climate {own:.4f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or the check."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast_nwp_prior")
    parser.add_argument("--check", action="store_true")
    found = plants(shared_file("solar/pvod_15min.parquet"), shared_file("solar/pvod_metadata.csv"), tuple(range(6)))
    if parser.parse_args().check:
        print(check(found))
        return
    predicted, measured = pairs(found)
    print(
        "# Measured index by class of the predicted index; six PVOD plants, Yao et al. 2021 (doi:10.11922/sciencedb.01094)."
    )
    print("# Made by: python -m benchmarks.forecast_nwp_prior")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["centre", *(f"q{level:g}" for level in LEVELS)])
    for centre, row in zip(CENTRES, table_of(predicted, measured), strict=True):
        writer.writerow([centre, *(f"{value:.3f}" for value in row)])


if __name__ == "__main__":
    main()
