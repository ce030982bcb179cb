"""The measured compute tables, read into plain records and mapped onto catalogue names."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sites.catalog.records import Precision

MODEL_KEYS = {
    "GPT OSS 120B": "gpt-oss-120b",
    "GPT OSS 20B": "gpt-oss-20b",
    "Gemma 3 12B": "gemma3-12b",
    "Gemma 3 27B": "gemma3-27b",
    "Llama 3.1 405B Instruct FP8": "llama-405b",
    "Llama 3.1 70B Instruct": "llama-70b",
    "Llama 3.3 70B Instruct": "llama-70b",
    "Llama 3.1 8B Instruct": "llama-8b",
    "Llama 4 Maverick 17B 128E Instruct FP8": "llama4-maverick",
    "Llama 4 Scout 17B 16E Instruct": "llama4-scout",
    "NVIDIA Nemotron Nano 12B V2": "nemotron-nano-12b",
    "NVIDIA Nemotron Nano 9B V2": "nemotron-nano-9b",
    "Qwen 3 14B": "qwen3-14b",
    "Qwen 3 32B": "qwen3-32b",
    "Qwen 3 8B": "qwen3-8b",
    "Qwen 3 30B A3B Instruct": "qwen3-30b-a3b",
    "Qwen 3 30B A3B Thinking": "qwen3-30b-a3b",
    "Qwen 3 Coder 30B A3B": "qwen3-30b-a3b",
    "Qwen 3 235B A22B Instruct": "qwen3-235b-a22b",
    "Qwen 3 235B A22B Instruct FP8": "qwen3-235b-a22b",
    "Qwen 3 235B A22B Thinking": "qwen3-235b-a22b",
    "Qwen 3 235B A22B Thinking FP8": "qwen3-235b-a22b",
    "SANA 1.5 1.6B": "sana-1.6b",
    "SANA 1.5 4.8B": "sana-4.8b",
    "Stable Diffusion 3.5 Medium": "sd35-medium",
    "Stable Diffusion 3.5 Large": "sd35-large",
    "FLUX.1 Dev": "flux-dev",
    "Hunyuan-DiT 1.2": "hunyuan-dit",
    "PixArt-Σ": "pixart-sigma",
}
GPU_KEYS = {"H100": "h100-sxm5", "B200": "b200"}
PRECISIONS: dict[str, Precision] = {"bfloat16": "fp16", "fp8": "fp8", "mxfp4": "int4"}
PROMPT_TOKENS = {"lm-arena-chat": 120.0, "gpqa": 300.0, "sourcegraph-fim": 2500.0}
"""Mean prompt of each task: not in the table, taken as the order of the task's own data sets."""
MLPERF_CURVES = {
    "3d-unet": "vision",
    "resnet50": "vision",
    "retinanet": "vision",
    "rnnt": "vision",
    "stable-diffusion-xl": "diffusion",
    "bert": "prefill",
    "dlrm": "recommendation",
    "gptj": "decode-saturated",
    "llama2-70b": "decode-saturated",
    "mixtral-8x7b": "decode-saturated",
}


class DecodeRow(NamedTuple):
    """One row of the language-model table."""

    gpu: str
    model: str
    nickname: str
    task: str
    precision: Precision
    gpus: int
    batch: float
    output_tokens: float
    tokens_per_s: float
    power_w: float
    """Of one GPU."""
    itl_ms: float

    @property
    def prompt_tokens(self) -> float:
        return PROMPT_TOKENS[self.task]

    @property
    def context_tokens(self) -> float:
        return self.prompt_tokens + self.output_tokens / 2.0


class ImageRow(NamedTuple):
    """One row of the image table on a single GPU."""

    gpu: str
    model: str
    batch: float
    latency_s: float
    power_w: float


class CapPair(NamedTuple):
    """Throughput at a limit over throughput at the default limit."""

    where: str
    scenario: str
    curve: str
    limit_frac: float
    ratio: float


def shared(name: str) -> Path:
    """Return the path of a shared data file; raises ``SystemExit`` saying what to set when it is absent."""
    root = Path(os.environ.get("MDC_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    path = root / "data" / name
    if not path.exists():
        raise SystemExit(f"{path.name} is not here; set MDC_SHARED to the folder that holds the measured data")
    return path


def decode_rows() -> list[DecodeRow]:
    """Return the language-model rows, H100 and B200."""
    return [
        DecodeRow(
            gpu=GPU_KEYS[row["gpu_model"]],
            model=MODEL_KEYS[row["nickname"]],
            nickname=row["nickname"],
            task=row["task"],
            precision=PRECISIONS[row["weight_precision"]],
            gpus=int(row["num_gpus"]),
            batch=float(row["avg_batch_size"]),
            output_tokens=float(row["avg_output_len"]),
            tokens_per_s=float(row["output_throughput_tokens_per_sec"]),
            power_w=float(row["avg_power_watts"]) / int(row["num_gpus"]),
            itl_ms=float(row["median_itl_ms"]),
        )
        for row in _read("compute/llm_energy_h100_b200.csv")
        if row["nickname"] in MODEL_KEYS
    ]


def image_rows() -> list[ImageRow]:
    """Return the image rows of one GPU."""
    return [
        ImageRow(
            gpu=GPU_KEYS[row["gpu_model"]],
            model=MODEL_KEYS[row["nickname"]],
            batch=float(row["batch_size"]),
            latency_s=float(row["batch_latency_s"]),
            power_w=float(row["avg_power_watts"]),
        )
        for row in _read("compute/image_energy_h100_b200.csv")
        if row["num_gpus"] == "1" and row["nickname"] in MODEL_KEYS
    ]


def mlperf_pairs() -> list[CapPair]:
    """Return the audited pairs whose limits are known."""
    pairs = []
    for row in _read("compute/mlperf_power_limit.csv"):
        if row["cap_frac"]:
            name = row["benchmark"].removesuffix("-99.9").removesuffix("-99").removesuffix("-v2")
            pairs.append(
                CapPair(
                    where=f"{row['system'].split('-80')[0].split('-141')[0]} {name}",
                    scenario=row["scenario"],
                    curve=MLPERF_CURVES[name],
                    limit_frac=float(row["cap_frac"]),
                    ratio=float(row["tput_ratio"]),
                )
            )
    return pairs


def decode_sweeps() -> dict[str, list[tuple[float, float, float]]]:
    """Return (limit W, tokens/s, mean W) of the language-model sweeps, ascending in limit, by model and
    concurrency."""
    sweeps: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in _read("compute/vllm_power_cap_rtxpro6000.csv"):
        key = f"{row['model']} x{row['concurrency']}"
        sweeps[key].append((float(row["cap_w"]), float(row["tok_s"]), float(row["power_mean_w"])))
    return {key: sorted(rows) for key, rows in sweeps.items()}


def video_sweep() -> list[tuple[float, float, float]]:
    """Return (limit W, clips/s, mean W) of the video sweep, ascending in limit."""
    runs: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for row in _read("compute/video_diffusion_power_cap_rtxpro6000.csv"):
        runs[float(row["cap_w"])].append((float(row["render_ms"]) / 1e3, float(row["gpu0_power_avg_w"])))
    return [
        (cap, len(each) / sum(seconds for seconds, _ in each), sum(watts for _, watts in each) / len(each))
        for cap, each in sorted(runs.items())
    ]


def rmse(errors: Iterable[float]) -> float:
    """Return the root mean square."""
    values = list(errors)
    return (sum(value * value for value in values) / len(values)) ** 0.5 if values else float("nan")


def _read(name: str) -> list[dict[str, str]]:
    with shared(name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
