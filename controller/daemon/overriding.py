"""Overrides: a person's order stands above the plan and below the guards."""

from __future__ import annotations

from collections.abc import Iterable

from controller.guards.gensets_called import command_of, with_command
from controller.records.resume import StandingOverride
from controller.setpoints import GensetCommand, Setpoints
from sites.schema.site import Site


def overridden(setpoints: Setpoints, overrides: Iterable[StandingOverride], site: Site) -> Setpoints:
    """Return setpoints with every standing override applied; orders to what the site does not have are ignored."""
    for each in overrides:
        kind, _, name = each.subject.partition(" ")
        match kind, each.order_text:
            case "genset", "run":
                setpoints = _run_genset(setpoints, name, site)
            case "genset", "stop":
                if any(genset.name == name for genset in site.gensets):
                    setpoints = with_command(setpoints, GensetCommand(name=name, run=False, reason_code="OPERATOR"))
            case "job", "pause":
                kept = tuple(job for job in setpoints.jobs if job.name != name)
                setpoints = setpoints.model_copy(update={"jobs": kept})
            case "service", "stop":
                on = tuple(service for service in setpoints.services if service.name != name)
                setpoints = setpoints.model_copy(update={"services": on})
            case "tier", "shed":
                tiers = tuple(dict.fromkeys((*setpoints.shed_tiers, name)))
                setpoints = setpoints.model_copy(update={"shed_tiers": tiers})
            case _:
                continue
    return setpoints


def _run_genset(setpoints: Setpoints, name: str, site: Site) -> Setpoints:
    for genset in site.gensets:
        asked = command_of(setpoints, name)
        if genset.name == name and (asked is None or not asked.run):
            kw = 0.5 * genset.rating_kw
            setpoints = with_command(setpoints, GensetCommand(name=name, run=True, kw=kw, reason_code="OPERATOR"))
    return setpoints
