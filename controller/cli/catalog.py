"""``mdc catalog``: GPUs, models, cap curves, workload archetypes and sources, each figure with its kind and source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import Format, FormatOption, write
from sites.errors import InputError

if TYPE_CHECKING:
    from sites.catalog.records import Catalog
    from sites.record import Record

SECTIONS = ("gpus", "models", "archetypes", "curves", "precisions", "sources")


def catalog(
    section: Annotated[str, typer.Argument(help=f"One of {', '.join(SECTIONS)}.")] = "gpus",
    name: Annotated[str | None, typer.Argument(help="One entry, by key or alias, with all its figures.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Look up what the program knows about hardware and workloads, and where it is from.

    Example: [bold]mdc catalog gpus l40s[/bold]
    """
    from sites.catalog.load import load_catalog

    if section not in SECTIONS:
        raise InputError.single(
            source="catalog", field="section", found=section, mend=f"take one of {', '.join(SECTIONS)}"
        )
    known = load_catalog()
    if name is not None:
        key, entry = _entry(known, section, name)
        write(json.dumps({key: entry.model_dump(mode="json")}) if format is Format.JSON else _detail(known, key, entry))
        return
    entries: dict[str, Record] = dict(getattr(known, section))
    if format is Format.JSON:
        write(json.dumps({key: entry.model_dump(mode="json") for key, entry in entries.items()}))
        return
    write("\n".join(f"{key:22s} {_summary(entry)}" for key, entry in entries.items()))


def _entry(known: Catalog, section: str, name: str) -> tuple[str, Record]:
    from sites.catalog.load import archetype, gpu_id, model_id

    entries: dict[str, Record] = dict(getattr(known, section))
    if section == "gpus":
        key = gpu_id(name, known)
    elif section == "models":
        key = model_id(name, known)
    elif section == "archetypes":
        archetype(name, known)
        key = name
    elif name in entries:
        key = name
    else:
        raise InputError.single(
            source="catalog", field=section, found=name, mend=f"known are {', '.join(sorted(entries))}"
        )
    return key, entries[key]


def _detail(known: Catalog, key: str, entry: Record) -> str:
    from sites.catalog.load import figures

    found = dict(figures(entry))
    lines = [key]
    for field in type(entry).model_fields:
        figure = found.get(field)
        if figure is not None:
            title = known.sources[figure.source].title
            lines.append(f"  {field:18s} {figure.value:>12g}  {figure.kind:10s} {title}")
        elif (value := getattr(entry, field)) not in (None, "", ()):
            lines.append(f"  {field:18s} {_plain(value):>12s}")
    lines += _stages(entry)
    lines += _memory(entry, key)
    for fit in known.decode_fits.get(key, ()):
        lines.append(
            f"  measured on {fit.gpus} x {fit.gpu} at {fit.precision}, {fit.context_tokens:.0f} tokens: "
            f"ITL {fit.itl_base_ms:.1f} ms + {fit.itl_per_request_ms:.3f} ms a request (rmse {fit.itl_rmse_ms} ms), "
            f"{fit.power_low_w:.0f} to {fit.power_low_w + fit.power_span_w:.0f} W (rmse {fit.power_rmse_w} W)"
        )
    for items in known.item_fits.get(key, ()):
        lines.append(f"  measured on {items.gpu}: {items.per_s.value:g}/s ({items.per_s.source})")
    return "\n".join(lines)


def _stages(entry: Record) -> list[str]:
    from sites.catalog.records import Archetype

    stages = entry.stages if isinstance(entry, Archetype) else ()
    return [
        f"    {stage.name}: first output after {stage.median_s.value:g} s, P99 {stage.p99_s.value:g} s; "
        f"whole output P99 {stage.whole_p99_s.value:g} s ({stage.p99_s.kind})"
        for stage in stages
    ]


def _memory(entry: Record, key: str) -> list[str]:
    from sites.catalog.records import LlmEntry
    from sites.compute.hardware import llm_spec
    from sites.compute.memory import memory_need

    if not isinstance(entry, LlmEntry):
        return []
    need = memory_need(llm_spec(key))
    weights = ", ".join(f"{grade} {gb:.1f} GB" for grade, gb in need.weights_gb.items())
    return [
        f"  weights: {weights}; cache {need.cache_mb_per_1000_tokens:.0f} MB per 1000 tokens",
        f"  adapter of rank 16: {need.adapter_gb:.2f} GB; to fine-tune it on FP16 weights (LoRA) "
        f"{need.lora_gb:.0f} GB, on INT4 weights (QLoRA) {need.qlora_gb:.0f} GB",
    ]


def _plain(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(getattr(each, "name", None) or str(each) for each in value)


def _summary(entry: Record) -> str:
    from sites.catalog.records import Archetype, CapCurveEntry, GpuEntry, ItemEntry, LlmEntry, Source

    match entry:
        case GpuEntry():
            limits = (
                f"{entry.min_limit_w.value:g}-{entry.max_limit_w.value:g} W (default {entry.default_limit_w.value:g})"
            )
            return f"{entry.memory_gb.value:g} GB, {entry.bandwidth_gb_s.value:g} GB/s, {limits}, {entry.name}"
        case LlmEntry():
            return f"language model, {entry.params_b.value:g}e9 parameters, {entry.name}"
        case ItemEntry():
            return f"{entry.profile}, counts {entry.unit}s, {entry.name}"
        case Archetype():
            return f"{entry.latency_class:12s} P99 {entry.p99_s.value:g} s, {entry.model}: {entry.title}"
        case CapCurveEntry():
            shape = f"knee {entry.knee_frac.value:g}, exponent {entry.exponent.value:g}"
            return f"{shape}, rmse {entry.fit_rmse:g}; {entry.note}"
        case Source():
            return f"{entry.title} ({entry.publisher}, {entry.year})"
        case _:
            return " ".join(f"{field}={getattr(entry, field)}" for field in type(entry).model_fields)
