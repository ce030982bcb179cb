"""Turns measurements on a user's own GPU into catalogue entries, with the error of each fit.

Three tables in one CSV, told apart by their columns; a row may belong to several:

* power sweep: ``limit_w, throughput, power_w``: a cap curve of one power profile on this GPU;
* decoding: ``batch, itl_ms, power_w``: ITL = a + b B (less the time to read the cache), draw logistic in log2 B;
* prompts: ``prompt_tokens, ttft_ms``: the share of the dense FLOPs that prefill reaches, from the slope of the time to
  the first token.

What comes out is a folder of catalogue files to lay over the catalogue (``MDC_CATALOG``).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sites.catalog.records import CapCurveEntry, CurveName, Figure, MeasuredDecode, Precision
from sites.compute import decode
from sites.compute.calibration import CapFit, fit_cap_curve, fit_itl, fit_power
from sites.compute.hardware import GpuSpec, gpu_spec, llm_spec, matrix_flops
from sites.errors import InputError, InputFault

SOURCE = "own-measurement"
COLUMNS = ("limit_w", "throughput", "power_w", "batch", "itl_ms", "prompt_tokens", "ttft_ms")
BINDS_FRAC = 0.98
"""A limit binds where the draw comes within this share of it."""
RMSE_MAX = 0.15
"""Error of the speed beyond which a sweep is no cap curve: the job changed meanwhile, or columns are mixed up."""


class Row(NamedTuple):
    """One measured row; NaN where a column is absent or empty."""

    limit_w: float
    throughput: float
    power_w: float
    batch: float
    itl_ms: float
    prompt_tokens: float
    ttft_ms: float


class Sweep(NamedTuple):
    """A fitted power sweep."""

    natural_w: float
    fit: CapFit
    entry: CapCurveEntry
    outside: tuple[float, ...]
    """Limits that this GPU does not take."""


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV.

    Raises:
        InputError: no such file, no text, no known column, or a value that is no number; all faults at once.
    """
    if not path.is_file():
        raise InputError.single(source=str(path), field="", found="no such file", mend="give the path of a CSV")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError.single(source=str(path), field="", found="no text", mend="give a CSV in UTF-8") from None
    reader = csv.DictReader(text.splitlines())
    names = reader.fieldnames or []
    if not set(names) & set(COLUMNS):
        raise InputError.single(
            source=path.name, field="header", found=list(names), mend=f"name columns of {', '.join(COLUMNS)}"
        )
    faults: list[InputFault] = []
    rows = [_row(each, line, path.name, faults) for line, each in enumerate(reader, start=2)]
    if faults:
        raise InputError(faults)
    return rows


def fit_sweep(rows: Sequence[Row], gpu: str, profile: CurveName, source: str = SOURCE) -> Sweep:
    """Return the cap curve of a power sweep on ``gpu``, relative to its highest limit.

    Raises:
        InputError: fewer than three usable rows, none where the limit binds, or speeds that no cap curve has.
    """
    spec = gpu_spec(gpu)
    points = sorted(_mean_by_limit(rows).items())
    if len(points) < 3:
        raise InputError.single(
            source="sweep", field="limit_w", found=f"{len(points)} limits", mend="measure at least three limits"
        )
    natural_w = max(watts for _, (_, watts) in points)
    best = points[-1][1][0]
    bound = [(limit / natural_w, speed / best) for limit, (speed, _) in points if limit < natural_w / BINDS_FRAC]
    if not bound:
        raise InputError.single(
            source="sweep",
            field="limit_w",
            found=f"lowest limit {points[0][0]:g} W, natural draw {natural_w:.0f} W",
            mend="measure limits below the natural draw: only those slow the job down",
        )
    fit = fit_cap_curve([u for u, _ in bound], [s for _, s in bound])
    if fit.rmse > RMSE_MAX:
        raise InputError.single(
            source="sweep",
            field="throughput",
            found=f"rmse of {fit.rmse:.2f} about the best curve",
            mend="it does not fall with the limit as it must: sweep a steady job again, from its natural draw down",
        )
    entry = CapCurveEntry(
        knee_frac=Figure(round(fit.curve.knee_frac, 4), "measured", source),
        exponent=Figure(round(fit.curve.exponent, 4), "measured", source),
        fit_rmse=round(fit.rmse, 4),
        note=f"{profile} sweep of {len(points)} limits, natural draw {natural_w:.0f} W",
    )
    limits = spec.limits
    outside = tuple(limit for limit, _ in points if not limits.min_limit_w <= limit <= limits.max_limit_w)
    return Sweep(natural_w, fit, entry, outside)


def fit_decode(
    rows: Sequence[Row],
    gpu: str,
    model: str,
    precision: Precision,
    gpus: int,
    context_tokens: float,
    source: str = SOURCE,
) -> MeasuredDecode:
    """Return the measured decoding of ``model`` on ``gpus`` of ``gpu`` with ``context_tokens`` in cache.

    Raises:
        InputError: fewer than three rows with batch, itl_ms and power_w.
    """
    usable = [row for row in rows if not any(math.isnan(x) for x in (row.batch, row.itl_ms, row.power_w))]
    if len(usable) < 3:
        raise InputError.single(
            source="decoding", field="batch", found=f"{len(usable)} rows", mend="measure at least three batches"
        )
    spec, shape = gpu_spec(gpu), llm_spec(model)
    cache_ms = [1e3 * decode.cache_s(spec, shape, row.batch, context_tokens, gpus) for row in usable]
    hits = [decode.experts_hit(shape, row.batch) for row in usable] if shape.expert_share < 1.0 else None
    batches = [row.batch for row in usable]
    itl = fit_itl(batches, [max(row.itl_ms - c, 0.01) for row, c in zip(usable, cache_ms, strict=True)], hits)
    power = fit_power(batches, [row.power_w for row in usable])
    return MeasuredDecode(
        gpu=spec.key,
        precision=precision,
        gpus=gpus,
        context_tokens=context_tokens,
        itl_base_ms=round(itl.base, 4),
        itl_per_request_ms=round(itl.slope, 6),
        itl_experts_ms=round(itl.step, 4),
        power_low_w=round(power.low_w, 2),
        power_span_w=round(power.span_w, 2),
        power_mid_log2=round(power.mid_log2, 4),
        power_width_log2=round(power.width_log2, 4),
        batch_max=max(batches),
        itl_rmse_ms=round(itl.rmse, 3),
        power_rmse_w=round(power.rmse_w, 2),
        prefill_frac=fit_prefill(rows, spec, model, precision, gpus),
        source=source,
    )


def fit_prefill(rows: Sequence[Row], gpu: GpuSpec, model: str, precision: Precision, gpus: int) -> float | None:
    """Return the share of the dense FLOPs that prefill reaches; absent with fewer than two prompt lengths."""
    seen = [(row.prompt_tokens, row.ttft_ms) for row in rows if not math.isnan(row.prompt_tokens + row.ttft_ms)]
    if len({tokens for tokens, _ in seen}) < 2:
        return None
    slope_ms, _ = np.polyfit([tokens for tokens, _ in seen], [ms for _, ms in seen], 1)
    if slope_ms <= 0.0:
        return None
    flops_a_token = 2.0 * llm_spec(model).active / (gpus * matrix_flops(gpu, precision))
    return min(round(float(1e3 * flops_a_token / slope_ms), 4), 1.0)


def overlay_files(
    gpu: str, profile: CurveName, curve: CapCurveEntry | None, model: str, fit: MeasuredDecode | None, measured_on: date
) -> dict[str, str]:
    """Return the catalogue files (name, YAML text) to lay over the catalogue; ``measured_on`` says when."""
    import yaml

    spec = gpu_spec(gpu)
    files: dict[str, object] = {
        "sources.yaml": {
            SOURCE: {
                "title": f"Own measurement of {measured_on:%Y-%m-%d}",
                "publisher": "the site",
                "year": measured_on.year,
            }
        }
    }
    if curve is not None:
        files["gpu_curves.yaml"] = {spec.key: {profile: _plain(curve.model_dump())}}
    if fit is not None:
        files["decode_fits.yaml"] = {llm_spec(model).key: [fit.model_dump(exclude_none=True)]}
    return {name: yaml.safe_dump(content, sort_keys=False, width=200) for name, content in files.items()}


def _plain(content: dict[str, object]) -> dict[str, object]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}


def _mean_by_limit(rows: Sequence[Row]) -> dict[float, tuple[float, float]]:
    """Return mean throughput and draw at each limit."""
    groups: dict[float, list[tuple[float, float]]] = {}
    for row in rows:
        if not any(math.isnan(x) for x in (row.limit_w, row.throughput, row.power_w)):
            groups.setdefault(row.limit_w, []).append((row.throughput, row.power_w))
    return {
        limit: (sum(t for t, _ in each) / len(each), sum(w for _, w in each) / len(each))
        for limit, each in groups.items()
    }


def _row(cells: dict[str, str | None], line: int, source: str, faults: list[InputFault]) -> Row:
    values: list[float] = []
    for name in COLUMNS:
        text = (cells.get(name) or "").strip()
        try:
            value = float(text) if text else math.nan
            if text and not (math.isfinite(value) and value > 0.0):
                raise ValueError(text)
        except ValueError:
            faults.append(
                InputFault(source=source, field=f"line {line}, {name}", found=repr(text), mend="give a number above 0")
            )
            value = math.nan
        values.append(value)
    return Row(*values)
