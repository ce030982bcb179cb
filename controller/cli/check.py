"""``mdc check``: validates a site file and names every fault at once."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from controller.cli.output import Format, FormatOption, write
from sites.load import find_site, load_site
from sites.schema.site import Site


def check(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Site file, or the name of an example.")] = "container",
    format: FormatOption = Format.TABLE,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of site files for your editor.")
    ] = False,
) -> None:
    """Check a site file: all faults at once, each with field, finding and mend.

    Example: [bold]mdc check container[/bold]
    """
    if schema:
        write(json.dumps(Site.model_json_schema(), indent=2))
        return
    found = load_site(site)
    file = find_site(site)
    from controller.checking import check_here

    check_here(found, source=file.name, folder=file.parent)
    if format is Format.JSON:
        write(found.model_dump_json())
        return
    write(f"{file.name} is in order: {summary(found)}")


def summary(site: Site) -> str:
    """Return one line that says what a site has."""
    parts = [f"{sum(array.kwp for array in site.pv.arrays):g} kWp PV" if site.pv else "no PV"]
    parts.append(f"{site.battery.capacity_kwh:g} kWh battery" if site.battery else "no battery")
    parts += [f"genset {genset.name} {genset.rating_kw:g} kW" for genset in site.gensets] or ["no genset"]
    parts += [f"{pool.nodes * pool.gpus_per_node} x {pool.gpu_text}" for pool in site.pools]
    parts.append(f"{len(site.services)} services, {len(site.batch)} kinds of batch work")
    return ", ".join(parts)
