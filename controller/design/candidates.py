"""Which designs are run with the real planner: the best of each way of running the site, and the base case."""

from __future__ import annotations

import pandas as pd

from controller.design.axes import SIZE_AXES
from controller.design.context import Context
from controller.design.planner_check import Candidate
from controller.design.study import Study
from controller.design.summary import Chosen, base_context, fixed_load
from sites.schema.site import Site


def candidates(context: Context, study: Study, site: Site, rows: pd.DataFrame, chosen: Chosen) -> tuple[Candidate, ...]:
    """Return the winner, the cheapest allowed designs of other strategies or cap policies, and the base case."""
    here = rows[rows["allowed"] & (rows["place"] == chosen.winner["place"])]
    ordered = here.sort_values(["npc_usd", "group", "design"])
    finalists = ordered.drop_duplicates(["strategy", "cap_policy"]).head(study.finalists.count)
    found = [
        Candidate(
            title="winner" if rank == 0 else f"best with {row['strategy']}, {row['cap_policy']}",
            context=context,
            group=context.groups[int(row["group"])],
            at=context.coordinates_of(int(row["design"])),
        )
        for rank, (_, row) in enumerate(finalists.iterrows())
    ]
    group = fixed_load(context.groups[int(chosen.winner["group"])])
    base = Candidate(
        title="base site", context=base_context(context, study, site), group=group, at=(0,) * len(SIZE_AXES)
    )
    return (*found, base)
