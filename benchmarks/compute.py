"""How well the compute model repeats every measured table, with the targets beside it.

``python -m benchmarks.compute [--quick]``: throughput ratio at a limit, natural draw, time between tokens,
whole requests, image models; then the same with one model left out at a time, since users run models that
nobody measured. ``--quick`` leaves the latter out."""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.compute_data import DecodeRow, decode_rows, decode_sweeps, image_rows, mlperf_pairs, rmse, video_sweep
from benchmarks.compute_fit import fit_power_form, fit_roofline, nvlink, roofline_ms
from sites.catalog.load import load_catalog
from sites.catalog.records import CurveName
from sites.compute import decode
from sites.compute.calibration import fit_cap_curve
from sites.compute.decode import PowerForm
from sites.compute.hardware import ItemSpec, curve, gpu_spec, llm_spec, model_spec
from sites.compute.items import item_point, items_on
from sites.compute.point import decode_speed_frac, llm_point
from sites.plant.gpu import speed_at_frac

BATCH_OF_TARGET = 512.0
LEFT_OUT_MIN = 3


def line(what: str, found: str, target: str = "") -> None:
    """Print one row of the table."""
    print(f"{what:62s} {found:>34s}   {target}")


def caps() -> None:
    """Throughput ratio at a limit against audited pairs and sweeps."""
    print("\nThroughput at a power limit over throughput without (rmse)")
    named: tuple[tuple[str, str], ...] = (("Offline", "<= 0.06"), ("Server", "<= 0.08"))
    for scenario, target in named:
        pairs = [p for p in mlperf_pairs() if p.scenario == scenario]
        errors = [speed_at_frac(p.limit_frac, curve(_name(p.curve))) - p.ratio for p in pairs]
        line(f"MLPerf {scenario.lower()}, {len(pairs)} pairs", f"{rmse(errors):.3f}", target)
        by_profile: dict[str, list[float]] = defaultdict(list)
        for error, pair in zip(errors, pairs, strict=True):
            by_profile[pair.curve].append(error)
        for name, mine in sorted(by_profile.items()):
            line(f"  {name}, {len(mine)} pairs (bias)", f"{rmse(mine):.3f} ({sum(mine) / len(mine):+.3f})")
        law = [p.limit_frac ** (0.56 if scenario == "Offline" else 0.67) - p.ratio for p in pairs]
        line("  one power law for all, f^0.56 offline, f^0.67 serving", f"{rmse(law):.3f}")
    gpu = gpu_spec("rtx-pro-6000")
    for name, rows in decode_sweeps().items():
        natural, batch = max(row[2] for row in rows), 32.0 if name.endswith("x32") else 1.0
        errors = [decode_speed_frac(cap, natural, batch, gpu) - speed / rows[-1][1] for cap, speed, _ in rows]
        line(f"RTX PRO 6000 {name}, {len(rows)} limits", f"{rmse(errors):.3f}", "<= 0.08")
    video = video_sweep()
    errors = [speed_at_frac(cap / 600.0, curve("diffusion")) - speed / video[-1][1] for cap, speed, _ in video]
    line(f"RTX PRO 6000 video diffusion, {len(video)} limits", f"{rmse(errors):.3f}", "<= 0.06")


def decoding(rows: Sequence[DecodeRow], gpu: str) -> None:
    """Time between tokens, natural draw and whole requests of measured combinations."""
    mine = [row for row in rows if row.gpu == gpu]
    print(f"\nLanguage models on {gpu}: rmse by (model, precision, GPUs, task)")
    print(f"{'':48s} {'draw W':>8s} {'ITL ms':>8s} {'to batch':>8s} {'whole request':>14s}")
    draws, times, whole = [], [], []
    for key, group in _grouped(mine):
        power = rmse(_power_w(row) - row.power_w for row in group)
        itl = rmse(_itl_ms(row) - row.itl_ms for row in group if row.batch <= BATCH_OF_TARGET)
        share = rmse(request_error(row) for row in group)
        draws.append(power)
        times.append(itl)
        whole.append(share)
        print(f"{key:48s} {power:8.1f} {itl:8.2f} {max(r.batch for r in group):8.0f} {share:13.0%}")
    good_w = sum(each <= 10.0 for each in draws)
    good_ms = sum(each <= 4.0 for each in times)
    line("natural draw within 10 W", f"{good_w} of {len(draws)}, median {median(draws):.1f} W", "most on H100")
    line("ITL within 4 ms to batch 512", f"{good_ms} of {len(times)}, median {median(times):.2f} ms", "all on H100")
    line("time of a whole request, stalls by prompts included", f"median {median(whole):.0%}")


def images() -> None:
    """Image models on one GPU."""
    print("\nImage models on one GPU: relative rmse of the batch's time, rmse of the draw")
    times: dict[str, list[float]] = defaultdict(list)
    draws: dict[str, list[float]] = defaultdict(list)
    for row in image_rows():
        gpu, model = gpu_spec(row.gpu), model_spec(row.model)
        assert isinstance(model, ItemSpec)
        point = item_point(gpu, model, "fp16", int(row.batch), gpu.limits.max_limit_w, 1.0)
        times[row.gpu].append(point.service_s / row.latency_s - 1.0)
        draws[row.gpu].append(point.power_w - row.power_w)
    for gpu_key, errors in times.items():
        line(f"{gpu_key}, {len(errors)} rows", f"{rmse(errors):.1%}, {rmse(draws[gpu_key]):.1f} W", "<= 10 W on H100")


def items_left_out() -> None:
    """Per-item models carried over to a GPU where they were measured, from the others: what an unmeasured GPU gets."""
    errors: list[float] = []
    for key in load_catalog().item_fits:
        model = model_spec(key)
        assert isinstance(model, ItemSpec)
        for held in model.measured:
            others = tuple(each for each in model.measured if each.gpu != held.gpu)
            if others:
                guess = items_on(gpu_spec(held.gpu), model._replace(measured=others), "int8")
                errors.append(math.log(guess.per_s / held.per_s))
    median_factor = math.exp(median(abs(error) for error in errors))
    line(
        f"items/s on another GPU, {len(errors)} (model, GPU)",
        f"median factor {median_factor:.2f}, rmse of log {rmse(errors):.2f}",
    )


def left_out(rows: Sequence[DecodeRow]) -> None:
    """The same for models that the fit has not seen."""
    print("\nLeave one model out (H100): what a user of an unmeasured model gets")
    mine = [row for row in rows if row.gpu == "h100-sxm5"]
    logs: list[float] = []
    itls: list[float] = []
    draws: list[float] = []
    for name in sorted({row.model for row in mine}):
        others = [row for row in mine if row.model != name]
        constants, _ = fit_roofline(others)
        weights, _ = fit_power_form(others)
        form = PowerForm(*weights)
        for row in (each for each in mine if each.model == name):
            estimate = roofline_ms(row, constants)
            logs.append(estimate / row.itl_ms - 1.0)
            if row.batch <= BATCH_OF_TARGET:
                itls.append(estimate - row.itl_ms)
            watts = decode.estimated_power_w(gpu_spec(row.gpu), llm_spec(row.model), row.batch, row.gpus, form)
            draws.append(watts - row.power_w)
    line("ITL", f"{rmse(logs):.0%} rel., {rmse(itls):.1f} ms to batch 512", "(<= 4 ms where measured)")
    line("natural draw", f"{rmse(draws):.0f} W of 700", "(<= 10 W where measured)")
    items_left_out()
    line("throughput at a limit, decode sweeps, other model's curve", f"{rmse(_sweeps_left_out()):.3f}", "<= 0.08")
    line(
        "throughput at a limit, MLPerf offline, other models' curve",
        f"{rmse(_pairs_left_out('Offline')):.3f}",
        "<= 0.06",
    )
    line(
        "throughput at a limit, MLPerf server, other models' curve", f"{rmse(_pairs_left_out('Server')):.3f}", "<= 0.08"
    )


def request_error(row: DecodeRow) -> float:
    """Return the relative error of the mean time of a request: batch over request rate, Little's law."""
    gpu, model = gpu_spec(row.gpu), llm_spec(row.model)
    point = llm_point(
        gpu,
        model,
        row.precision,
        round(row.batch),
        gpu.limits.max_limit_w,
        row.prompt_tokens,
        row.output_tokens,
        nvlink(row),
    )
    seen_s = row.batch / (row.tokens_per_s / row.output_tokens)
    return point.service_s / seen_s - 1.0


def _sweeps_left_out() -> Iterable[float]:
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, rows in decode_sweeps().items():
        natural = max(row[2] for row in rows)
        points[name.rsplit(" x", 1)[0]] += [(cap / natural, speed / rows[-1][1]) for cap, speed, _ in rows]
    for name, held in points.items():
        seen = [point for other, each in points.items() if other != name for point in each]
        fit = fit_cap_curve([u for u, _ in seen], [s for _, s in seen], knee=True)
        yield from (speed_at_frac(u, fit.curve) - s for u, s in held)


def _pairs_left_out(scenario: str) -> Iterable[float]:
    offline = [p for p in mlperf_pairs() if p.scenario == "Offline"]
    for pair in (p for p in mlperf_pairs() if p.scenario == scenario):
        name = pair.where.split()[-1]
        seen = [p for p in offline if p.curve == pair.curve and p.where.split()[-1] != name]
        seen = seen if len(seen) >= LEFT_OUT_MIN else [p for p in offline if p.where.split()[-1] != name]
        fit = fit_cap_curve([p.limit_frac for p in seen], [p.ratio for p in seen], knee=False)
        yield speed_at_frac(pair.limit_frac, fit.curve) - pair.ratio


def _grouped(rows: Sequence[DecodeRow]) -> list[tuple[str, list[DecodeRow]]]:
    groups: dict[str, list[DecodeRow]] = defaultdict(list)
    for row in rows:
        groups[f"{row.model} {row.precision} x{row.gpus} {row.task}"].append(row)
    return sorted(groups.items())


def _itl_ms(row: DecodeRow) -> float:
    gpu, model = gpu_spec(row.gpu), llm_spec(row.model)
    return 1e3 * decode.itl_s(gpu, model, row.precision, row.batch, row.context_tokens, nvlink(row))


def _power_w(row: DecodeRow) -> float:
    gpu, model = gpu_spec(row.gpu), llm_spec(row.model)
    return decode.decode_power_w(gpu, model, row.precision, row.batch, row.context_tokens, nvlink(row))


def _name(text: str) -> CurveName:
    known: tuple[CurveName, ...] = ("vision", "prefill", "diffusion", "decode-saturated", "recommendation")
    return next(name for name in known if name == text)


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave the leave-one-out fits out")
    quick = parser.parse_args().quick
    line("", "found", "target")
    rows = decode_rows()
    steps: list[Callable[[], None]] = [
        caps, lambda: decoding(rows, "h100-sxm5"), lambda: decoding(rows, "b200"), images,
    ]  # fmt: skip
    if not quick:
        steps.append(lambda: left_out(rows))
    for step in steps:
        step()


if __name__ == "__main__":
    main()
