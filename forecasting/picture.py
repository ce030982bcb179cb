"""A picture of a backtest: a week of forecasts with their band, skill by lead, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from forecasting.records import Score
from sites.errors import InputError

FORMATS = (".svg", ".png", ".pdf")
SHOWN_DAYS = 7
DAY_AHEAD_H = (14.0, 26.0)


def draw_backtest(samples: pd.DataFrame, levels: Sequence[float], scores: Sequence[Score], path: Path) -> None:
    """Write the picture.

    Raises:
        InputError: a suffix that is none of ``FORMATS``.
    """
    if path.suffix not in FORMATS:
        raise InputError.single(
            source=str(path), field="", found=path.suffix, mend=f"end the name with one of: {', '.join(FORMATS)}"
        )
    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    week, lead, reliable = figure.subplot_mosaic([["week", "week"], ["lead", "reliable"]]).values()
    at = np.array(levels)
    ahead = samples[samples["lead_h"].between(*DAY_AHEAD_H, inclusive="left")].copy()
    ahead["time"] = pd.to_datetime(ahead["issued_utc"]) + pd.to_timedelta(ahead["lead_h"], unit="h")
    ahead = ahead.sort_values("lead_h").drop_duplicates("time").sort_values("time")
    if len(ahead):
        ahead = ahead[ahead["time"] >= ahead["time"].iloc[-1] - pd.Timedelta(days=SHOWN_DAYS)]
        # one point an hour with gaps at night, so that the band is not drawn across them
        hourly = ahead.set_index("time").drop(columns=["issued_utc", "state"]).resample("1h").mean()
        times = hourly.index.to_pydatetime()
        low, high = int(np.argmin(np.abs(at - 0.1))), int(np.argmin(np.abs(at - 0.9)))
        week.fill_between(times, hourly[f"q{low}"], hourly[f"q{high}"], color="#f2b134", alpha=0.4, label="80 % band")
        week.plot(times, hourly["mean"], color="#b8860b", label="forecast a day ahead")
        week.plot(times, hourly["measured"], color="#1f2d3d", lw=1, label="measured")
    week.set_ylabel("PV power, kW")
    week.legend(loc="upper right", frameon=False)
    by_lead = [score for score in scores if score.leads != "all"]
    place = np.arange(len(by_lead))
    lead.bar(
        place - 0.2, [score.skill_persistence or 0.0 for score in by_lead], 0.4, label="RMSE over smart persistence"
    )
    lead.bar(place + 0.2, [score.crps_skill or 0.0 for score in by_lead], 0.4, label="CRPS over CH-PeEn")
    lead.set_xticks(place, [score.leads for score in by_lead], rotation=45)
    lead.axhline(0.0, color="black", lw=0.8)
    lead.set_ylabel("skill")
    lead.legend(frameon=False)
    reliable.plot([0, 1], [0, 1], color="grey", lw=0.8)
    reliable.plot(at, scores[0].reliability, marker="o", color="#1f2d3d")
    reliable.set_xlabel("level")
    reliable.set_ylabel("share measured at or below")
    figure.savefig(path)
