"""What a site file promises, held against the rest of the program: catalogue, menus, plant curves, weather file.

``sites.load`` finds what is wrong inside a file; this finds what is wrong with it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from controller.capability import chained, service_menu
from controller.devices.power.assemble import equipment_faults_here
from forecasting.weather.files import PACKAGED
from sites.compute.hardware import gpu_spec, model_spec
from sites.compute.pool_gpu import pool_gpu
from sites.compute.records import ServingMode
from sites.errors import InputError, InputFault, shorten
from sites.plant.params import plant_params
from sites.schema.site import Site
from sites.schema.workload import Pool


def check_here(site: Site, *, source: str, folder: Path) -> None:
    """Check everything that the site file names.

    Raises:
        InputError: with all faults: unknown GPUs or models, services that no mode can serve, curves that the plant
            cannot take, a weather file that is not there.
    """
    faults: list[InputFault] = []
    for index, pool in enumerate(site.pools):
        unknown = _faults(partial(gpu_spec, pool.gpu), source, f"pools[{index}].gpu")
        faults += unknown or _faults(partial(pool_gpu, pool), source, f"pools[{index}].mig_parts")
    for index, service in enumerate(site.services):
        faults += _faults(partial(model_spec, service.model), source, f"services[{index}].model")
    if not faults:
        faults += _unservable(site, source)
    faults += _faults(partial(plant_params, site), source, "")
    faults += _weather_faults(site, source, folder)
    faults += equipment_faults_here(site, source=source, folder=folder)
    if faults:
        raise InputError(faults)


def _faults(look_up: Callable[[], object], source: str, field: str) -> list[InputFault]:
    try:
        look_up()
    except InputError as error:
        return [
            InputFault(source=source, field=field or fault.field, found=fault.found, mend=fault.mend)
            for fault in error.faults
        ]
    return []


def _unservable(site: Site, source: str) -> list[InputFault]:
    faults = []
    menus = {each.name: service_menu(each, site.pools, chained(site, each)) for each in site.services}
    for index, service in enumerate(site.services):
        most_rps = max((mode.rate_rps for mode in menus[service.name]), default=0.0)
        if most_rps < service.demand.mean_rps:
            mend = f"the pools named serve at most {most_rps:.3g} requests/s within {service.p99_s:g} s; "
            mend += "`mdc advise` ranks what would do: more replicas, another pool or precision, a longer budget"
            mend += "".join(_part_text(pool) for pool in site.pools if pool.name in service.pools)
            faults.append(
                InputFault(
                    source=source,
                    field=f"services[{index}].demand.mean_rps",
                    found=shorten(service.demand.mean_rps),
                    mend=mend,
                )
            )
    return faults + _chains_too_slow(site, source, menus)


def _part_text(pool: Pool) -> str:
    """Return what a replica on a pool has to fit into where GPUs are cut."""
    if pool.mig_parts == 1:
        return ""
    part = pool_gpu(pool)
    text = f"; on {pool.name} a model has to be no larger than a part of a GPU, {part.key} of {part.memory_b / 1e9:.0f} GB: "
    return text + "parts cannot work together, fewer mig_parts are larger"


def _chains_too_slow(site: Site, source: str, menus: Mapping[str, tuple[ServingMode, ...]]) -> list[InputFault]:
    """Return chains whose stages do not keep the budget together even in their quickest modes."""
    faults = []
    for index, chain in enumerate(site.chains):
        quickest = [
            min((mode.p99_s for mode in menus[stage.service] if mode.gpus), default=0.0) for stage in chain.stages
        ]
        least_s = sum(stage.first_frac * time_s for stage, time_s in zip(chain.stages, quickest, strict=True))
        if least_s > chain.p99_s:
            mend = f"its stages take {least_s:.3g} s in their quickest modes: give it more time, or its services more precisions"
            field = f"chains[{index}].p99_s"
            faults.append(InputFault(source=source, field=field, found=shorten(chain.p99_s), mend=mend))
    return faults


def _weather_faults(site: Site, source: str, folder: Path) -> list[InputFault]:
    name = site.weather.file
    if site.weather.source == "clear-sky" or name.startswith(PACKAGED):
        return []
    if not name or not (folder / name).is_file():
        mend = f"name a file beside the site file, or one inside the pvlib package as {PACKAGED}723170TYA.CSV"
        return [InputFault(source=source, field="weather.file", found=shorten(name), mend=mend)]
    return []
