"""Fits the catalogue's compute constants on the measured tables and prints them; ``--write`` renews the
fitted catalogue files.

``sites/catalog/decode_fits.yaml`` and ``item_fits.yaml`` (the rows fitted here) come from this script. The
constants of the roofline (``sites/compute/decode.py``) and of the cap curves (``sites/catalog/curves.yaml``)
are printed, to be compared with what is committed."""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.compute_data import DecodeRow, decode_rows, decode_sweeps, image_rows, mlperf_pairs, rmse, video_sweep
from sites.compute import decode
from sites.compute.calibration import fit_cap_curve, fit_itl, fit_power
from sites.compute.decode import POWER_FORM, GroupLink, Roofline, power_features
from sites.compute.hardware import LlmSpec, gpu_spec, llm_spec

Floats = npt.NDArray[np.float64]
CATALOG = Path(__file__).resolve().parents[1] / "sites" / "catalog"
ROOFLINE_START = (70e-6, 0.9, 0.9, 0.6, 27e-6, 55e-6, 50e-6)
ROOFLINE_LOW = (0.0, 0.3, 0.1, 0.1, 0.0, 0.0, 0.0)
ROOFLINE_HIGH = (5e-4, 0.95, 0.95, 0.95, 3e-4, 5e-4, 5e-4)


def nvlink(row: DecodeRow) -> GroupLink:
    """Return the link of a measured row: all were NVLink systems."""
    return GroupLink(gpus=row.gpus, bandwidth_b_s=gpu_spec(row.gpu).link_b_s, over_pcie=False)


def fit_roofline(rows: Sequence[DecodeRow]) -> tuple[Roofline, float]:
    """Return the roofline constants over ``rows`` and the root mean square error of log ITL."""
    from scipy.optimize import least_squares

    def error(p: Floats) -> Floats:
        constants = roofline_of(p)
        return np.array([math.log(roofline_ms(row, constants) / row.itl_ms) for row in rows])

    scale = np.array(ROOFLINE_START)

    def scaled(q: Floats) -> Floats:
        return error(q * scale)

    found = least_squares(
        scaled,
        np.ones(len(scale)),
        bounds=(np.array(ROOFLINE_LOW) / scale, np.array(ROOFLINE_HIGH) / scale),
        xtol=1e-6,
        ftol=1e-6,
    )
    return roofline_of(found.x * scale), rmse(found.fun)


def roofline_of(p: Floats) -> Roofline:
    """Return the named constants of a parameter vector."""
    return Roofline(
        layer_s=float(p[0]), weight_frac=float(p[1]), cache_frac=float(p[2]), flop_frac=float(p[3]),
        link_s=float(p[4]), moe_s=float(p[5]), request_s=float(p[6]),
    )  # fmt: skip


def roofline_ms(row: DecodeRow, constants: Roofline) -> float:
    """Return the estimated ITL of a row, ms."""
    model, gpu = llm_spec(row.model), gpu_spec(row.gpu)
    return 1e3 * decode.roofline_itl_s(gpu, model, row.precision, row.batch, row.context_tokens, nvlink(row), constants)


def fit_power_form(rows: Sequence[DecodeRow]) -> tuple[tuple[float, ...], float]:
    """Return the weights of the draw estimate over ``rows`` and its root mean square error, W."""
    features = np.array([power_features(llm_spec(row.model), row.batch, row.gpus) for row in rows])
    shares = np.array([_share(row) for row in rows])
    weights = np.linalg.lstsq(features, shares, rcond=None)[0]
    spans = np.array([gpu_spec(row.gpu).saturated_w - gpu_spec(row.gpu).limits.idle_w for row in rows])
    return tuple(float(w) for w in weights), rmse((features @ weights - shares) * spans)


def _share(row: DecodeRow) -> float:
    gpu = gpu_spec(row.gpu)
    return (row.power_w - gpu.limits.idle_w) / (gpu.saturated_w - gpu.limits.idle_w)


def decode_fits() -> dict[str, list[str]]:
    """Return catalogue lines of measured decoding, by model."""
    groups: dict[tuple[str, str, str, int, str], list[DecodeRow]] = defaultdict(list)
    for row in decode_rows():
        groups[(row.model, row.gpu, row.precision, row.gpus, row.task)].append(row)
    lines: dict[str, list[str]] = defaultdict(list)
    for (model_key, gpu_key, precision, gpus, _), rows in sorted(groups.items()):
        if len(rows) < 3:
            continue
        model, gpu = llm_spec(model_key), gpu_spec(gpu_key)
        caches = [cache_ms(row, model) for row in rows]
        hits = [decode.experts_hit(model, row.batch) for row in rows] if model.expert_share < 1.0 else None
        itl = fit_itl(
            [row.batch for row in rows], [max(row.itl_ms - c, 0.1) for row, c in zip(rows, caches, strict=True)], hits
        )
        power = fit_power([row.batch for row in rows], [row.power_w for row in rows])
        context = sum(row.context_tokens for row in rows) / len(rows)
        lines[model_key].append(
            f"  - {{gpu: {gpu.key}, precision: {precision}, gpus: {gpus}, context_tokens: {context:.0f}, "
            f"itl_base_ms: {itl.base:.3f}, itl_per_request_ms: {itl.slope:.5f}, itl_experts_ms: {itl.step:.3f}, "
            f"power_low_w: {power.low_w:.1f}, power_span_w: {power.span_w:.1f}, power_mid_log2: {power.mid_log2:.3f}, "
            f"power_width_log2: {power.width_log2:.3f}, batch_max: {max(row.batch for row in rows):.1f}, "
            f"itl_rmse_ms: {itl.rmse:.2f}, power_rmse_w: {power.rmse_w:.1f}, source: mlenergy-v3}}"
        )
    return lines


def cache_ms(row: DecodeRow, model: LlmSpec) -> float:
    """Return the time to read the key-value cache of a row's batch, ms."""
    return 1e3 * decode.cache_s(gpu_spec(row.gpu), model, row.batch, row.context_tokens, row.gpus)


def item_fits() -> dict[str, list[str]]:
    """Return catalogue lines of the image models, by model."""
    lines: dict[str, list[str]] = defaultdict(list)
    groups: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for row in image_rows():
        groups[(row.model, row.gpu)].append((row.batch, row.latency_s, row.power_w))
    for (model_key, gpu_key), rows in sorted(groups.items()):
        batch = np.array([row[0] for row in rows])
        time_fit = fit_itl(batch.tolist(), [row[1] for row in rows])
        watts = np.array([row[2] for row in rows])
        full, drop = np.linalg.lstsq(np.stack([np.ones_like(batch), -1.0 / batch], axis=1), watts, rcond=None)[0]
        src = "measured, mlenergy-v3]"
        lines[model_key].append(
            f"  - {{gpu: {gpu_key}, per_s: [{1.0 / time_fit.slope:.4f}, {src}, fixed_s: [{time_fit.base:.3f}, {src}, "
            f"full_w: [{full:.0f}, {src}, single_w: [{full - max(drop, 0.0):.0f}, {src}}}"
        )
    return lines


def print_curves() -> None:
    """Print the cap curves fitted on the sweeps and the audited pairs."""
    u: list[float] = []
    s: list[float] = []
    for rows in decode_sweeps().values():
        natural = max(row[2] for row in rows)
        for cap, speed, _ in rows:
            u.append(cap / natural)
            s.append(speed / rows[-1][1])
    fit = fit_cap_curve(u, s, knee=True)
    print(f"decode            knee {fit.curve.knee_frac:.3f} exponent {fit.curve.exponent:.3f} rmse {fit.rmse:.4f}")
    video = video_sweep()
    fit = fit_cap_curve([r[0] / 600.0 for r in video], [r[1] / video[-1][1] for r in video], knee=False)
    print(f"diffusion         exponent {fit.curve.exponent:.3f} rmse {fit.rmse:.4f}")
    for name in ("vision", "prefill", "recommendation", "decode-saturated"):
        mine = [p for p in mlperf_pairs() if p.curve == name and p.scenario == "Offline"]
        fit = fit_cap_curve([p.limit_frac for p in mine], [p.ratio for p in mine], knee=False)
        print(f"{name:17s} exponent {fit.curve.exponent:.3f} rmse {fit.rmse:.4f} over {fit.points} offline pairs")


def main() -> None:
    """Print all fits; with ``--write`` renew the fitted catalogue files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew decode_fits.yaml and item_fits.yaml")
    parser.add_argument("--quick", action="store_true", help="the curves only")
    chosen = parser.parse_args()
    print_curves()
    if chosen.quick:
        return
    h100 = [row for row in decode_rows() if row.gpu == "h100-sxm5"]
    constants, error = fit_roofline(h100)
    print(
        "roofline",
        {key: float(f"{value:.4g}") for key, value in constants._asdict().items()},
        f"rmse of log {error:.3f}",
    )
    weights, watts = fit_power_form(h100)
    print("draw", dict(zip(POWER_FORM._fields, (round(w, 4) for w in weights), strict=True)), f"rmse {watts:.1f} W")
    if chosen.write:
        _write("decode_fits.yaml", decode_fits(), "# Measured decoding, by model; written by benchmarks.compute_fit.\n")
        _write_items(item_fits())


def _write(name: str, lines: dict[str, list[str]], head: str) -> None:
    text = head + "".join(f"{key}:\n" + "".join(f"{line}\n" for line in each) for key, each in sorted(lines.items()))
    (CATALOG / name).write_text(text, encoding="utf-8")


def _write_items(lines: dict[str, list[str]]) -> None:
    """Keep the entries that were entered by hand and renew the fitted ones."""
    path = CATALOG / "item_fits.yaml"
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    fitted = set(lines)
    body: list[str] = []
    skipping = False
    for line in kept:
        if not line.startswith((" ", "#")):
            skipping = line.rstrip(":") in fitted
        if not skipping:
            body.append(line)
    for key, each in sorted(lines.items()):
        body += [f"{key}:", *each]
    path.write_text("\n".join(body) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
