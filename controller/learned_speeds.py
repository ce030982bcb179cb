"""What gateways measured becomes the performance model that plans are made with.

A gateway's desk keeps rows of ITL, draw and time to the first token, one file a (service, pool, precision, GPUs of a
replica): :func:`controller.devices.compute.serving.server_desk.rows_file`. Here they become fits laid over the catalogue
for the planning worker alone; what the owner lays over it himself (``MDC_CATALOG``) stays beneath. Too few batches, or a
fit that misses by more than :data:`MISS_FRAC`, teach nothing.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, MutableMapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from controller.devices.compute.serving.server_desk import rows_file
from sites.catalog.load import OVERLAY_VARIABLE, laid_over
from sites.catalog.records import MeasuredDecode
from sites.compute.calibrate import fit_decode, overlay_files, read_rows
from sites.errors import InputError
from sites.schema.site import Site
from sites.schema.workload import Service

LOG = logging.getLogger(__name__)
BATCHES_LEAST = 3
MISS_FRAC = 0.25
FOLDER = "learned-catalog"
GPUS_MOST = 16
"""Largest replica that is looked for."""


class Learned(NamedTuple):
    """One fit."""

    service: str
    model: str
    fit: MeasuredDecode


def learned(site: Site, spool: Path) -> Iterator[Learned]:
    """Yield a fit for each table of rows in ``spool`` that is good for one; what a part of a GPU did tells nothing of a GPU."""
    served = {each.service for each in site.devices.compute.serving}
    for service in site.services:
        if service.name not in served:
            continue
        for pool in (each for each in site.pools if each.mig_parts == 1):
            for precision in service.precisions:
                for gpus in range(1, GPUS_MOST + 1):
                    path = rows_file(spool, service.name, pool.name, precision, gpus)
                    fit = _fit(path, service, pool.gpu, precision, gpus) if path.exists() else None
                    if fit is not None:
                        yield Learned(service.name, service.model, fit)


def _fit(path: Path, service: Service, gpu: str, precision: str, gpus: int) -> MeasuredDecode | None:
    context = service.request.input_tokens + service.request.output_tokens / 2.0
    try:
        rows = read_rows(path)
        if len({row.batch for row in rows if not math.isnan(row.batch)}) < BATCHES_LEAST:
            return None
        fit = fit_decode(rows, gpu, service.model, precision, gpus, max(context, 1.0))  # type: ignore[arg-type]
    except InputError as error:
        LOG.info("nothing is learned from %s: %s", path, error)
        return None
    middle_ms = fit.itl_base_ms + fit.itl_per_request_ms * fit.batch_max / 2.0
    if fit.itl_rmse_ms > MISS_FRAC * middle_ms:
        LOG.info("nothing is learned from %s: its rows lie %.0f ms apart from any line", path, fit.itl_rmse_ms)
        return None
    return fit


def lay_over_catalog(site: Site, environment: MutableMapping[str, str], today: date) -> tuple[Learned, ...]:
    """Have this process use the catalogue with what was measured laid over it; returns what was learned.

    ``environment`` is the process's own; it names the owner's overlay before and the whole one after.
    """
    spool = Path(site.devices.compute.serving_spool)
    found = tuple(learned(site, spool))
    if not found:
        return ()
    files: dict[str, str] = {}
    owners = environment.get(OVERLAY_VARIABLE)
    for path in sorted(Path(owners).glob("*.yaml")) if owners else ():
        files[path.name] = path.read_text("utf-8")
    for each in found:
        written = overlay_files(each.fit.gpu, "decode", None, each.model, each.fit, today)
        for name, text in written.items():
            files[name] = laid_over(files[name], text, Path(name)) if name in files else text
    folder = spool / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        new = folder / f"{name}.new"
        new.write_text(text, "utf-8")
        os.replace(new, folder / name)
    environment[OVERLAY_VARIABLE] = str(folder)
    for each in found:
        LOG.info(
            "measured: %s on %s, %s, up to batch %g", each.service, each.fit.gpu, each.fit.precision, each.fit.batch_max
        )
    return found
