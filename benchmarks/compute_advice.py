"""Right-sizing answers for every workload archetype, and how long menus and advice take.

``python -m benchmarks.compute_advice [--quick]``. The table is the one that ``tests/optimizer/modes/test_advise.py``
holds as golden; times are CPU times of this process (targets: 20 services on 3 pools in 50 ms, advice in 1 s).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from optimizer.modes import options as option_module
from optimizer.modes.advice import Answer, Conditions
from optimizer.modes.advise import advise
from optimizer.modes.archetypes import workload_of
from optimizer.modes.menu import menus
from sites.catalog.load import load_catalog
from sites.compute import decode, items, point
from sites.schema.workload import Demand, Pool, Request, Service

POOLS = (
    Pool(name="h100", gpu="h100-pcie", nodes=2, gpus_per_node=4, interconnect="nvlink-bridge", host_w=600),
    Pool(name="l40s", gpu="l40s", nodes=2, gpus_per_node=8, host_w=500),
    Pool(name="orin", gpu="jetson-agx-orin", nodes=6, gpus_per_node=1, host_w=6),
)
MODELS = ("llama-8b", "llama-70b", "qwen3-32b", "qwen3-14b", "qwen3-30b-a3b", "retinanet", "resnet50", "whisper-large")


def services(count: int) -> tuple[Service, ...]:
    """Return ``count`` different services on all pools."""
    return tuple(
        Service(
            name=f"service-{i}",
            latency_class="1-10s",
            p99_s=(5.0, 10.0, 20.0, 30.0)[i % 4],
            model=MODELS[i % len(MODELS)],
            precisions=("fp8", "int4"),
            pools=tuple(pool.name for pool in POOLS),
            request=Request(input_tokens=500.0 + 50.0 * i, output_tokens=100.0 + 10.0 * i),
            demand=Demand(mean_rps=1.0),
        )
        for i in range(count)
    )


def best(task: Callable[[], object], before: Callable[[], None], repeats: int) -> float:
    """Return the shortest CPU time of ``task`` in ms, ``before`` run ahead of each."""
    times = []
    for _ in range(repeats):
        before()
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def forget() -> None:
    """Empty every cache but the catalogue."""
    for cached in (
        option_module.options, point.llm_point, point.unlimited, items.item_point, items.items_on, decode.measured,
        decode.prefill_s,
    ):  # fmt: skip
        cached.cache_clear()


def golden_line(name: str, answer: Answer) -> str:
    """Return one row of the golden table."""
    top = answer.best
    if top is None or top.way is None:
        return f"{name:20s} none; nearest: {'; '.join(answer.nearest)}"
    way = top.way
    group = f" {'pp' if way.pipeline else 'tp'}{way.group}" if way.group > 1 else ""
    runner = next((each.gpu for each in answer.advice[1:] if each.way is not None), "none")
    off = answer.off_site.split(":")[0]
    return (
        f"{name:20s} {way.gpus:2d} x {top.gpu:20s} {way.precision}{group:4s} @ {way.limit_w:3.0f} W "
        f"{way.power_w:7.0f} W {way.energy_wh_per_request:10.3g} Wh  then {runner:20s} off-site: {off}"
    )


def main() -> None:
    """Print the table and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat of each time")
    repeats = 1 if parser.parse_args().quick else 5
    print("Least cost of energy and hardware that keeps the budget, whole catalogue, 25 C, no envelope")
    for name in load_catalog().archetypes:
        print(golden_line(name, advise(workload_of(name), Conditions())))
    asked = services(20)
    menus(asked, POOLS)
    cold = best(lambda: menus(asked, POOLS), forget, repeats)
    again = best(lambda: menus(asked, POOLS, rate_cv2=0.06), lambda: None, repeats)
    lower = best(lambda: menus(asked, POOLS, max_limit_w={"h100": 300.0}), lambda: None, repeats)
    workload = workload_of("document-question")
    advice = best(lambda: advise(workload, Conditions()), forget, repeats)
    print(f"\n20 services x 3 pools, nothing known yet   {cold:6.1f} ms   target 50")
    print(f"the same with other traffic                {again:6.1f} ms   target 50")
    print(f"the same with a lower limit on one pool    {lower:6.1f} ms   target 50")
    print(f"advice over {len(load_catalog().gpus)} GPUs                       {advice:6.1f} ms   target 1000")


if __name__ == "__main__":
    main()
