"""A study's results as rows of a store."""

from __future__ import annotations

import pandas as pd

from controller.records.design_rows import DesignRow


def stored_rows(rows: pd.DataFrame) -> list[DesignRow]:
    """Return the results as rows of a store."""
    names = ["group", "design", "npc_usd", "lcoe_usd_per_kwh", "fuel_l", "loss_frac", "allowed"]
    columns = zip(*(rows[name].tolist() for name in names), strict=True)
    documents = rows.to_json(orient="records", lines=True).splitlines()
    return [
        DesignRow(
            group_number=group,
            design_number=design,
            npc_usd=npc_usd,
            lcoe_usd_per_kwh=lcoe,
            fuel_l=fuel_l,
            loss_frac=loss_frac,
            allowed=allowed,
            document=document,
        )
        for (group, design, npc_usd, lcoe, fuel_l, loss_frac, allowed), document in zip(columns, documents, strict=True)
    ]
