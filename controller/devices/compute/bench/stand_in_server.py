"""A stand-in for an OpenAI-compatible server: no model, only its latencies, and it says so in every answer.

It waits as the performance model says one replica of (GPU, model, precision) would: a prompt for its prefill, each token for
the ITL at the number of requests in service, both under the power limit. ``--faster N`` divides all times.

``python -m controller.devices.compute.bench.stand_in_server --gpu l40s --model llama-8b --precision fp8 --port 9001``
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

import uvicorn

from controller.devices.compute.bench.openai_app import openai_app
from sites.catalog.records import Precision
from sites.compute.hardware import gpu_spec, llm_spec
from sites.compute.point import group_link, llm_point

TOKEN_CHARS = 4
"""Characters of a token, about."""


class StandIn:
    """Times of one replica."""

    def __init__(
        self, gpu: str, model: str, precision: Precision, *, limit_w: float, gpus: int = 1, faster: float = 1.0
    ) -> None:
        self._gpu, self._llm = gpu_spec(gpu), llm_spec(model)
        self._precision, self._limit_w, self._faster = precision, limit_w, faster
        self._link = group_link(self._gpu, "pcie", gpus)
        self._busy = 0
        self.model = f"stand-in-{self._llm.key}-{precision}"

    def count(self, text: str) -> int:
        return max(len(text) // TOKEN_CHARS, 1)

    def times_s(self, batch: int, prompt_tokens: int) -> tuple[float, float]:
        """Return the time of a prompt alone and the time between tokens at a batch."""
        point = llm_point(
            self._gpu, self._llm, self._precision, batch, self._limit_w, float(prompt_tokens), 100.0, self._link
        )
        return point.first_token_s - point.itl_s, point.itl_s

    async def generate(self, prompt: str, tokens: int) -> AsyncIterator[str]:
        self._busy += 1
        loop, count = asyncio.get_running_loop(), self.count(prompt)
        try:
            due_s = loop.time() + self.times_s(self._busy, count)[0] / self._faster
            for number in range(tokens):
                due_s += self.times_s(self._busy, count)[1] / self._faster
                await asyncio.sleep(due_s - loop.time())
                yield "stand-in" if number == 0 else f" word-{number}"
        finally:
            self._busy -= 1


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="Stand-in for an OpenAI-compatible server: latencies, no model")
    parser.add_argument("--gpu", default="l40s")
    parser.add_argument("--model", default="llama-8b")
    parser.add_argument("--precision", default="fp8")
    parser.add_argument("--limit-w", type=float, default=350.0)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--faster", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=9001)
    given = parser.parse_args()
    engine = StandIn(
        given.gpu, given.model, given.precision, limit_w=given.limit_w, gpus=given.gpus, faster=given.faster
    )
    uvicorn.run(openai_app(engine), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
