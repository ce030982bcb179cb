"""The engines behind the API: the transformer's cache is exact, the stand-in's times are the performance model's."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from controller.devices.compute.bench.stand_in_server import StandIn
from controller.devices.compute.bench.tiny_server import Cache, TinyEngine, TinyTransformer


def test_token_by_token_is_the_same_as_all_at_once() -> None:
    model, tokens = TinyTransformer(layers=2, width=64, heads=2), [int(x) for x in b"sun on the roof"]
    whole = model.step(tokens, Cache())
    cache = Cache()
    for token in tokens:
        scores = model.step([token], cache)
    assert cache.length == len(tokens)
    np.testing.assert_allclose(scores, whole, rtol=2e-4, atol=2e-4)
    changed = model.step([tokens[0] + 1, *tokens[1:]], Cache())
    assert np.abs(changed - whole).max() > 1e-3, "the first token counts for the last score"


def test_several_requests_do_not_mix() -> None:
    engine = TinyEngine(TinyTransformer(layers=1, width=32, heads=2))

    async def said(prompt: str) -> str:
        return "".join([part async for part in engine.generate(prompt, 10)])

    async def both() -> list[str]:
        return list(await asyncio.gather(said("abc"), said("xyz")))

    alone = [asyncio.run(said("abc")), asyncio.run(said("xyz"))]
    engine = TinyEngine(TinyTransformer(layers=1, width=32, heads=2))
    assert asyncio.run(both()) == alone


def test_the_stand_in_slows_with_batch_and_under_a_limit_as_the_model_says() -> None:
    free = StandIn("l40s", "llama-8b", "fp8", limit_w=350.0)
    capped = StandIn("l40s", "llama-8b", "fp8", limit_w=150.0)
    assert free.times_s(16, 200)[1] > free.times_s(1, 200)[1]
    assert capped.times_s(8, 200)[1] > free.times_s(8, 200)[1]
    assert free.times_s(1, 2000)[0] > free.times_s(1, 200)[0]
    prompt_s, itl_s = free.times_s(1, 10)

    async def timed() -> float:
        begin_s = time.monotonic()
        assert len([part async for part in free.generate("x" * 40, 5)]) == 5
        return time.monotonic() - begin_s

    assert asyncio.run(timed()) >= 0.99 * (prompt_s + 5 * itl_s) == pytest.approx(0.99 * (prompt_s + 5 * itl_s))
