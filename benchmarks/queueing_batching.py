"""The slots of the queue model against continuous batching, iteration by iteration, on the conversation trace.

The planner takes every slot as full: a request in service always advances at the speed of a full batch. A server
with continuous batching admits a waiting request when a slot is free, stops for its prompt, and then gives each active
request one token an iteration, at the speed of the batch it has. ``python -m benchmarks.queueing_batching [--quick]``
replays the trace with its own prompt and answer lengths through such a server at the rate the model calls sustainable,
and shows which share of 10-minute windows keeps the budget, and that rate over the largest that would still keep it.
"""

from __future__ import annotations

import argparse
import csv
import heapq
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.compute_data import shared
from benchmarks.queueing import REQUESTS_MIN, SHARE_TARGET, WINDOW_S, Trace, conversation, scaled
from optimizer.modes.options import TOKENS_SCV
from sites.catalog.records import Precision
from sites.compute.decode import itl_s, prefill_s
from sites.compute.hardware import curve, gpu_spec, llm_spec
from sites.compute.point import decode_speed_frac, group_link, llm_point
from sites.compute.queueing import sustained_rate_rps
from sites.plant.gpu import speed_frac

Floats = npt.NDArray[np.float64]


class Server(NamedTuple):
    """One replica's clock: time of an iteration by batch, time of a prompt by its tokens."""

    slots: int
    iteration_s: tuple[float, ...]
    """By active requests, 1 to ``slots``."""
    prompt_s_per_token: float


class Case(NamedTuple):
    """What is replayed."""

    gpu: str
    model: str
    precision: Precision
    gpus: int
    batch: int
    limit_w: float
    budget_s: float


CASES = (
    Case("h100-pcie", "llama-8b", "fp8", 1, 32, 250.0, 20.0),
    Case("l40s", "llama-8b", "int4", 1, 8, 350.0, 20.0),
    Case("h100-sxm5", "llama-70b", "fp16", 4, 32, 500.0, 60.0),
    Case("rtx-pro-6000", "qwen3-14b", "fp8", 1, 16, 450.0, 40.0),
)


def lengths() -> tuple[Floats, Floats]:
    """Return prompt and answer tokens of the trace."""
    with shared("demand/azure_llm_2023_conv.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(float(row["ContextTokens"]), float(row["GeneratedTokens"])) for row in csv.DictReader(stream)]
    table = np.array(rows)
    return table[:, 0], table[:, 1]


def server_of(case: Case, prompt: float, answer: float) -> Server:
    """Return the clock of a case's replica."""
    gpu, model = gpu_spec(case.gpu), llm_spec(case.model)
    link = group_link(gpu, "nvlink" if case.gpus > 1 else "pcie", case.gpus)
    context = prompt + answer / 2.0
    full = llm_point(gpu, model, case.precision, case.batch, case.limit_w, prompt, answer, link)
    steps = [
        itl_s(gpu, model, case.precision, n, context, link)
        / decode_speed_frac(case.limit_w, full.natural_w, case.batch, gpu)
        for n in range(1, case.batch + 1)
    ]
    slow = speed_frac(case.limit_w, gpu.saturated_w, curve("prefill", gpu.key), gpu.limits)
    return Server(case.batch, tuple(steps), prefill_s(gpu, model, case.precision, prompt, link) / prompt / slow)


def serve(arrival_s: Floats, prompt: Floats, answer: Floats, server: Server) -> Floats:
    """Return the response time [s] of each request, admitted first come first served."""
    waiting: deque[int] = deque()
    active: list[tuple[int, int]] = []
    response = np.zeros(arrival_s.size)
    now, given, coming = 0.0, 0, 0
    while coming < arrival_s.size or active or waiting:
        if not active and not waiting:
            now = max(now, float(arrival_s[coming]))
        while coming < arrival_s.size and arrival_s[coming] <= now:
            waiting.append(coming)
            coming += 1
        while waiting and len(active) < server.slots:
            first = waiting.popleft()
            now += float(prompt[first]) * server.prompt_s_per_token
            heapq.heappush(active, (given + max(int(answer[first]), 1), first))
        if not active:
            continue
        ahead = active[0][0] - given
        step = server.iteration_s[len(active) - 1]
        if coming < arrival_s.size and len(active) < server.slots:
            ahead = min(ahead, max(int((float(arrival_s[coming]) - now) / step) + 1, 1))
        given += ahead
        now += ahead * step
        while active and active[0][0] <= given:
            _, done = heapq.heappop(active)
            response[done] = now - arrival_s[done]
    return response


def kept(trace: Trace, rate_rps: float, tokens: tuple[Floats, Floats], server: Server, budget_s: float) -> float:
    """Return the share of windows whose P99 keeps the budget."""
    random = np.random.default_rng(5)
    at = scaled(trace, rate_rps, 1.0, random)
    drawn = random.integers(0, tokens[0].size, at.arrival_s.size)
    response = serve(at.arrival_s, tokens[0][drawn], tokens[1][drawn], server)
    window = (at.arrival_s // WINDOW_S).astype(int)
    judged = [w for w in np.unique(window) if np.sum(window == w) >= REQUESTS_MIN]
    p99 = [float(np.quantile(response[window == w], 0.99)) for w in judged]
    return sum(each <= budget_s for each in p99) / len(p99) if p99 else float("nan")


def largest(trace: Trace, tokens: tuple[Floats, Floats], server: Server, budget_s: float, start_rps: float) -> float:
    """Return the largest rate that keeps the budget in the target share of windows, within 3 %."""
    low, high = 0.0, start_rps
    while kept(trace, high, tokens, server, budget_s) >= SHARE_TARGET:
        low, high = high, 1.4 * high
    while high - low > 0.03 * high:
        middle = 0.5 * (low + high)
        ok = kept(trace, middle, tokens, server, budget_s) >= SHARE_TARGET
        low, high = (middle, high) if ok else (low, middle)
    return low


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two cases")
    cases = CASES[:2] if parser.parse_args().quick else CASES
    trace, tokens = conversation(), lengths()
    prompt, answer = float(tokens[0].mean()), float(tokens[1].mean())
    print(f"trace of {tokens[0].size} requests, mean {prompt:.0f} + {answer:.0f} tokens")
    print("targets: kept >= 95 %, of largest >= 67 %")
    print("GPU            model       batch limit  budget   promised/s   kept   largest/s   of largest")
    for case in cases:
        gpu, model = gpu_spec(case.gpu), llm_spec(case.model)
        link = group_link(gpu, "nvlink" if case.gpus > 1 else "pcie", case.gpus)
        point = llm_point(gpu, model, case.precision, case.batch, case.limit_w, prompt, answer, link)
        scv = TOKENS_SCV * point.variable_frac**2
        rate = float(sustained_rate_rps(case.batch, point.service_s, scv, case.budget_s))
        server = server_of(case, prompt, answer)
        share, best = (
            kept(trace, rate, tokens, server, case.budget_s),
            largest(trace, tokens, server, case.budget_s, rate),
        )
        print(
            f"{case.gpu:14s} {case.model:11s} {case.batch:5d} {case.limit_w:5.0f} {case.budget_s:6.0f} s {rate:12.2f} "
            f"{share:6.0%} {best:11.2f} {rate / best:12.0%}"
        )


if __name__ == "__main__":
    main()
