"""``mdc advise``: which GPU, how many, at which precision and power limit for a workload, and why the others lose."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from controller.cli.output import Format, FormatOption, write
from sites.errors import InputError

if TYPE_CHECKING:
    from optimizer.modes.advice import Answer, Conditions, LatencyClass, RankBy, Way, Workload
    from sites.catalog.records import Precision
    from sites.schema.workload import Pool

PRECISIONS = ("fp16", "fp8", "int8", "int4")
RANKS = ("cost", "energy", "gpus")
NOTHING_FITS = 3
"""Exit code when no candidate can do it; the answer with its nearest alternatives is printed all the same."""


def advise(
    archetype: Annotated[
        str | None,
        typer.Argument(help="A workload archetype of the catalogue (mdc catalog archetypes), to start from."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model of the catalogue (mdc catalog models).")] = None,
    rate: Annotated[float | None, typer.Option(help="Mean requests a second.")] = None,
    p99: Annotated[
        float | None, typer.Option("--p99", help="Budget of the whole response in seconds, 99 of 100.")
    ] = None,
    input_tokens: Annotated[float | None, typer.Option(help="Mean prompt length.")] = None,
    output_tokens: Annotated[float | None, typer.Option(help="Mean answer length.")] = None,
    units: Annotated[float | None, typer.Option(help="Items a request asks for, of models that count items.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="Precision you accept; give it again for more.")] = None,
    speculative: Annotated[bool, typer.Option("--speculative", help="A draft model may speed up decoding.")] = False,
    sovereign: Annotated[bool, typer.Option("--sovereign", help="Data may never leave the site.")] = False,
    ambient_c: Annotated[float, typer.Option(help="Air at the inlet of the machines, C.")] = 25.0,
    envelope_kw: Annotated[float | None, typer.Option(help="Power that may be drawn at the wall, kW.")] = None,
    limit_w: Annotated[float | None, typer.Option(help="Use this power limit instead of the best one, W.")] = None,
    gpu: Annotated[list[str] | None, typer.Option(help="Candidate GPU; all of the catalogue if absent.")] = None,
    site: Annotated[str | None, typer.Option(help="Ask about the pools of this site instead.")] = None,
    gpus_max: Annotated[int, typer.Option(min=1, help="Most GPUs of one kind.")] = 64,
    modes: Annotated[int, typer.Option(min=1, max=20, help="Modes to show of each GPU.")] = 1,
    shared: Annotated[
        bool, typer.Option("--shared", help="Hosts carry other work too: count only shares of them.")
    ] = False,
    energy_usd_per_kwh: Annotated[float, typer.Option(min=0.0, help="Price of energy on the site.")] = 0.40,
    rank: Annotated[str, typer.Option(help="What ranks: cost (energy and hardware), energy or gpus.")] = "cost",
    format: FormatOption = Format.TABLE,
) -> None:
    """Rank GPUs and serving modes for a workload, and say why each loser loses.

    Exit code 3 when nothing can do it: then the nearest feasible alternatives are shown.

    Example: [bold]mdc advise voice-agent --rate 5[/bold] or
    [bold]mdc advise --model llama-70b --precision fp8 --rate 2 --p99 30 --input-tokens 900 --output-tokens 250[/bold]
    """
    from optimizer.modes.advice import Conditions
    from optimizer.modes.advise import advise as ask

    if gpu and site is not None:
        mend = "give either --gpu or --site: a site has its own GPUs"
        raise InputError.single(source="advise", field="--gpu", found=", ".join(gpu), mend=mend)
    workload = _workload(archetype, model, rate, p99, input_tokens, output_tokens, units, precision)
    workload = replace(workload, speculative=speculative, sovereign=sovereign or workload.sovereign)
    conditions = Conditions(
        ambient_c=ambient_c,
        envelope_w=None if envelope_kw is None else envelope_kw * 1000.0,
        gpus_max=gpus_max,
        energy_usd_per_kwh=energy_usd_per_kwh,
        limit_w=limit_w,
        rank_by=cast("RankBy", _one_of("--rank", rank, RANKS)),
        shared=shared,
        modes=modes,
    )
    answer = ask(workload, conditions, tuple(gpu or ()), _pools(site))
    if format is Format.JSON:
        write(json.dumps(as_document(answer, conditions), allow_nan=False))
    else:
        write(as_text(answer))
    if answer.best is None:
        raise typer.Exit(NOTHING_FITS)


def as_document(answer: Answer, conditions: Conditions) -> dict[str, object]:
    """Return the answer as one JSON document."""
    return {
        "workload": asdict(answer.workload),
        "conditions": asdict(conditions),
        "unit": answer.unit,
        "recommended": answer.best.gpu if answer.best else None,
        "candidates": [asdict(each) for each in answer.advice],
        "off_site": answer.off_site,
        "nearest_feasible": list(answer.nearest),
    }


def as_text(answer: Answer) -> str:
    """Return the answer as a table for people."""
    asked = answer.workload
    what = (
        f"{asked.input_tokens:g} + {asked.output_tokens:g} tokens"
        if answer.unit == "tokens"
        else f"{asked.units:g} items"
    )
    lines = [f"{asked.name}: {asked.model}, {asked.rate_rps:g}/s of {what}, P99 within {_time(asked.p99_s)}"]
    if asked.elsewhere_s > 0.0:
        lines.append(
            f"other stages take {asked.elsewhere_s:.2f} s of it when they stream into each other, "
            f"{asked.elsewhere_waiting_s:.2f} s if each waited for the one before"
        )
    price = f"USD/M {answer.unit}"
    head = f"{'GPU':22s} {'mode':34s} {'GPUs':>4s} {'wall':>8s} {'Wh/request':>11s} {price:>13s} {'P99':>8s}"
    lines += ["", head]
    for each in answer.advice:
        if each.way is not None:
            lines.append(_row(each.gpu, each.way, each.reason))
            lines += [_row("", way, "") for way in each.others]
    stopped = [each for each in answer.advice if each.way is None]
    if stopped:
        lines += ["", "cannot:"]
        lines += [f"  {each.gpu:20s} {each.verdict.value:18s} {each.reason}" for each in stopped]
    lines += ["", f"off-site or shared service: {answer.off_site}"]
    if answer.nearest:
        lines += ["nothing listed can do it; nearest feasible:", *(f"  {each}" for each in answer.nearest)]
    lines.append("* time and draw estimated, not measured on this very GPU, model and precision")
    return "\n".join(lines)


def _row(gpu: str, way: Way, reason: str) -> str:
    group = f" {'pp' if way.pipeline else 'tp'}{way.group}" if way.group > 1 else ""
    slices = f" ({way.mig_slices} MIG slices would do)" if way.mig_slices else ""
    draft = " draft" if way.speculative else ""
    mode = f"{way.precision}{draft}{group} batch {way.batch} x{way.replicas} @ {way.limit_w:g} W"
    mark = " " if way.measured else "*"
    return (
        f"{gpu:21s}{mark} {mode:34s} {way.gpus:4d} {_watts(way.power_w):>8s} {way.energy_wh_per_request:11.3g} "
        f"{way.usd_per_million:13.3g} {_time(way.p99_s):>8s}  {reason}{slices}"
    ).rstrip()


def _workload(
    archetype: str | None,
    model: str | None,
    rate: float | None,
    p99: float | None,
    input_tokens: float | None,
    output_tokens: float | None,
    units: float | None,
    precision: list[str] | None,
) -> Workload:
    from optimizer.modes.advice import Workload
    from optimizer.modes.archetypes import workload_of

    if archetype is not None:
        start = workload_of(archetype)
    else:
        if model is None or rate is None or p99 is None:
            raise InputError.single(
                source="advise",
                field="archetype",
                found=None,
                mend="name an archetype, or give --model, --rate and --p99",
            )
        start = Workload(
            name="workload",
            model=model,
            precisions=("fp8", "int4"),
            rate_rps=rate,
            p99_s=p99,
            latency_class=class_of(p99),
        )
    changes: dict[str, object] = {
        "model": model,
        "rate_rps": rate,
        "p99_s": p99,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "units": units,
        "latency_class": None if p99 is None else class_of(p99),
        "precisions": None if not precision else tuple(_one_of("--precision", each, PRECISIONS) for each in precision),
    }
    return _changed(start, {key: value for key, value in changes.items() if value is not None})


def _changed(start: Workload, changes: dict[str, object]) -> Workload:
    return replace(start, **changes)  # type: ignore[arg-type]


def class_of(p99_s: float) -> LatencyClass:
    """Return the latency class of a budget [s]."""
    if p99_s < 0.1:
        return "under-100ms"
    if p99_s < 1.0:
        return "100-1000ms"
    return "1-10s" if p99_s <= 10.0 else "over-10s"


def _pools(site: str | None) -> tuple[Pool, ...]:
    if site is None:
        return ()
    from sites.load import load_site

    return load_site(site).pools


def _one_of(option: str, found: str, allowed: tuple[str, ...]) -> Precision | Literal["cost", "energy", "gpus"]:
    if found not in allowed:
        raise InputError.single(source="advise", field=option, found=found, mend=f"take one of {', '.join(allowed)}")
    return cast("Precision", found)


def _watts(watts: float) -> str:
    return f"{watts / 1000.0:.2f} kW" if watts >= 1000.0 else f"{watts:.0f} W"


def _time(seconds: float) -> str:
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600.0 else f"{seconds / 3600.0:.3g} h"
