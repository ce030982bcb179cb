"""``mdc calibrate``: turns measurements on your own GPU into catalogue entries, and says how well they fit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from controller.cli.output import Format, FormatOption, say, write
from sites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sites.catalog.records import CurveName, MeasuredDecode, Precision
    from sites.compute.calibrate import Row, Sweep

PROFILES = ("decode", "decode-saturated", "prefill", "vision", "diffusion", "recommendation", "training")
SETTLE_S = 10.0


def calibrate(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CSV]",
            help="Columns limit_w, throughput, power_w (a sweep); batch, itl_ms, power_w; prompt_tokens, ttft_ms.",
        ),
    ] = None,
    gpu: Annotated[str, typer.Option(help="GPU of the catalogue that was measured.")] = "",
    profile: Annotated[str, typer.Option(help=f"Power profile of the job: {', '.join(PROFILES)}.")] = "decode",
    model: Annotated[str, typer.Option(help="Language model of the decoding rows.")] = "",
    precision: Annotated[str, typer.Option(help="Its precision.")] = "fp16",
    gpus: Annotated[int, typer.Option(min=1, help="GPUs it ran on.")] = 1,
    context_tokens: Annotated[float, typer.Option(min=1.0, help="Mean text in cache.")] = 500.0,
    live: Annotated[bool, typer.Option("--live", help="Sweep a GPU of this host through NVML.")] = False,
    twin: Annotated[bool, typer.Option("--twin", help="Sweep the simulated twin instead: no GPU is touched.")] = False,
    index: Annotated[int, typer.Option(min=0, help="Number of the GPU in this host.")] = 0,
    meter: Annotated[str, typer.Option(help="Command that prints the job's throughput as one number.")] = "",
    consent: Annotated[
        bool, typer.Option("--i-own-this-gpu", help="I own this GPU and let its power limit be changed and put back.")
    ] = False,
    points: Annotated[int, typer.Option(min=3, max=40, help="Limits to try in a live sweep.")] = 8,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write catalogue files here; use them with MDC_CATALOG=FOLDER."),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Fit a cap curve, token times and prefill to measurements on your own GPU.

    Example: [bold]mdc calibrate sweep.csv --gpu l40s --profile vision --out my-catalog[/bold]
    """
    from sites.catalog.load import gpu_id
    from sites.compute.calibrate import fit_decode, fit_sweep, overlay_files, read_rows
    from sites.ports import SystemClock

    shape = cast("CurveName", _one_of("--profile", profile, PROFILES))
    grade = cast("Precision", _one_of("--precision", precision, ("fp16", "fp8", "int8", "int4")))
    if not gpu:
        raise InputError.single(
            source="calibrate", field="--gpu", found="nothing", mend="name the GPU that was measured"
        )
    key = gpu_id(gpu)
    if sum((table is not None, live, twin)) != 1:
        raise InputError.single(
            source="calibrate", field="CSV", found="none or several sources", mend="give a CSV, or --live, or --twin"
        )
    rows = read_rows(table) if table is not None else _swept(key, index, meter, consent, twin, points)
    swept = any(row.limit_w == row.limit_w and row.throughput == row.throughput for row in rows)
    curve = fit_sweep(rows, key, shape) if swept else None
    decoded = fit_decode(rows, key, model, grade, gpus, context_tokens) if model else None
    if curve is None and decoded is None:
        raise InputError.single(
            source="calibrate",
            field="CSV",
            found="no sweep; no --model",
            mend="give columns limit_w, throughput, power_w, or batch, itl_ms, power_w with --model",
        )
    if out is not None:
        if twin:
            raise InputError.single(
                source="calibrate", field="--out", found=str(out), mend="leave it out: a twin is no measurement"
            )
        today = SystemClock().now_utc().date()
        _write_overlay(out, overlay_files(key, shape, curve.entry if curve else None, model, decoded, today))
    source = "simulated twin" if twin else "live" if live else str(table)
    if format is Format.JSON:
        write(json.dumps(_document(key, shape, curve, decoded, source)))
    else:
        write(_text(key, shape, curve, decoded, source))


def _write_overlay(out: Path, files: dict[str, str]) -> None:
    """Write catalogue files; what earlier measurements left there stays beside the new."""
    from sites.catalog.load import laid_over

    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = out / name
        path.write_text(laid_over(path.read_text(encoding="utf-8"), text, path) if path.exists() else text, "utf-8")
    say(f"wrote {', '.join(sorted(files))} to {out}; use them with MDC_CATALOG={out}")


def _swept(key: str, index: int, meter: str, consent: bool, twin: bool, points: int) -> list[Row]:
    from controller.devices.compute.gpu_power import GpuPowerError
    from controller.devices.compute.gpu_sweep import sweep
    from controller.devices.compute.gpu_twin import TwinGpu
    from controller.devices.compute.nvml import NvmlGpu, nvml_library
    from sites.compute.hardware import curve, gpu_spec
    from sites.compute.levels import limit_steps_w
    from sites.ports import ManualClock, SystemClock

    spec = gpu_spec(key)
    limits = limit_steps_w(spec, points)
    clock = SystemClock()
    try:
        if twin:
            simulated = TwinGpu(key, natural_w=spec.saturated_w, curve=curve("decode", key), throughput=1000.0)
            run = sweep(simulated, simulated.throughput, limits, clock=ManualClock(clock.now_utc()))
            say("swept the simulated twin through the same write path: no GPU was touched")
        else:
            if not consent:
                raise InputError.single(
                    source="calibrate",
                    field="--live",
                    found="no consent",
                    mend="add --i-own-this-gpu: the power limit will be changed and put back; or use --twin",
                )
            run = sweep(NvmlGpu(nvml_library(), index), _metered(meter), limits, clock=clock, settle_s=SETTLE_S)
    except GpuPowerError as error:
        raise InputError.single(
            source="calibrate", field="--live", found=str(error), mend="give a CSV, or use --twin"
        ) from None
    for reason in run.skipped:
        say(f"skipped: {reason}")
    say(f"limit before {run.limit_before_w:g} W, after {run.limit_after_w:g} W")
    return list(run.rows)


def _metered(command: str) -> Callable[[], float]:
    if not command:
        raise InputError.single(
            source="calibrate", field="--meter", found="nothing", mend="give a command that prints the throughput"
        )

    def meter() -> float:
        ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=900, check=False)
        lines = ran.stdout.split()
        try:
            return float(lines[-1])
        except (IndexError, ValueError):
            raise InputError.single(
                source="calibrate", field="--meter", found=ran.stdout[-60:], mend="let it print one number last"
            ) from None

    return meter


def _document(
    key: str, profile: str, curve: Sweep | None, decoded: MeasuredDecode | None, source: str
) -> dict[str, object]:
    return {
        "gpu": key,
        "source": source,
        "sweep": None
        if curve is None
        else {
            "profile": profile,
            "natural_w": curve.natural_w,
            "knee_frac": curve.fit.curve.knee_frac,
            "exponent": curve.fit.curve.exponent,
            "rmse": curve.fit.rmse,
            "points": curve.fit.points,
            "limits_outside_w": list(curve.outside),
        },
        "decode": None if decoded is None else decoded.model_dump(mode="json"),
    }


def _text(key: str, profile: str, curve: Sweep | None, decoded: MeasuredDecode | None, source: str) -> str:
    lines = [f"{key}, from {source}"]
    if curve is not None:
        shape = curve.fit.curve
        form = f"knee at {shape.knee_frac:.2f} of it, " if shape.knee_frac < 4.0 else "no knee, "
        lines.append(
            f"  {profile}: natural draw {curve.natural_w:.0f} W, {form}exponent {shape.exponent:.2f}; "
            f"rmse of the speed {curve.fit.rmse:.3f} over {curve.fit.points} limits that bind"
        )
        lines += [f"  {limit:g} W is outside the range of the catalogue for this GPU" for limit in curve.outside]
    if decoded is not None:
        lines.append(
            f"  {decoded.precision} on {decoded.gpus}: ITL {decoded.itl_base_ms:.2f} ms "
            f"+ {decoded.itl_per_request_ms:.4f} ms a request, rmse {decoded.itl_rmse_ms:.2f} ms; "
            f"draw {decoded.power_low_w:.0f} to {decoded.power_low_w + decoded.power_span_w:.0f} W, "
            f"rmse {decoded.power_rmse_w:.1f} W"
        )
        if decoded.prefill_frac is not None:
            lines.append(f"  prefill reaches {decoded.prefill_frac:.0%} of the dense FLOPs")
    return "\n".join(lines)


def _one_of(option: str, found: str, allowed: tuple[str, ...]) -> str:
    if found not in allowed:
        raise InputError.single(source="calibrate", field=option, found=found, mend=f"take one of {', '.join(allowed)}")
    return found
