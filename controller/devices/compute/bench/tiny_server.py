"""A real, tiny, untrained language model behind the OpenAI API, on the CPU.

A decoder-only transformer in numpy: byte vocabulary, pre-norm blocks of causal multi-head attention with a key-value cache
and a two-layer network, weights drawn from a seed. What it says means nothing; that it has to compute every token, the
prompt first and then one by one over a growing cache, is real, and so are its times.

``python -m controller.devices.compute.bench.tiny_server --port 9002``
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import uvicorn

from controller.devices.compute.bench.openai_app import openai_app

Floats = npt.NDArray[np.float32]
VOCABULARY = 256


@dataclass
class Cache:
    """Keys and values of one request, a pair a layer."""

    pairs: list[tuple[Floats, Floats]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens in it."""
        return self.pairs[0][0].shape[1] if self.pairs else 0


class TinyTransformer:
    """``layers`` blocks of width ``width`` with ``heads`` heads."""

    def __init__(self, *, layers: int = 4, width: int = 256, heads: int = 4, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)

        def weights(rows: int, columns: int) -> Floats:
            drawn: Floats = (draw.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
            return drawn

        self._heads, self._width = heads, width
        self._embedding = weights(VOCABULARY, width)
        self._blocks = [
            (weights(width, 3 * width), weights(width, width), weights(width, 4 * width), weights(4 * width, width))
            for _ in range(layers)
        ]

    def step(self, tokens: list[int], cache: Cache) -> Floats:
        """Take tokens into the cache and return the scores of the next."""
        begin = cache.length
        x = self._embedding[tokens] + _positions(begin, len(tokens), self._width)
        pairs = cache.pairs or [(np.zeros((self._heads, 0, self._width // self._heads), np.float32),) * 2] * len(
            self._blocks
        )
        cache.pairs = []
        for (mix, out, up, down), (keys, values) in zip(self._blocks, pairs, strict=True):
            q, k, v = (self._split(part) for part in np.split(_normed(x) @ mix, 3, axis=1))
            keys, values = np.concatenate([keys, k], axis=1), np.concatenate([values, v], axis=1)
            cache.pairs.append((keys, values))
            x = x + self._attended(q, keys, values, begin) @ out
            x = x + np.maximum(_normed(x) @ up, 0.0) @ down
        scores: Floats = _normed(x[-1:])[0] @ self._embedding.T
        return scores

    def _split(self, x: Floats) -> Floats:
        heads: Floats = x.reshape(x.shape[0], self._heads, -1).transpose(1, 0, 2)
        return heads

    def _attended(self, q: Floats, keys: Floats, values: Floats, begin: int) -> Floats:
        scores = q @ keys.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        later = np.arange(keys.shape[1])[None, :] > begin + np.arange(q.shape[1])[:, None]
        scores = np.where(later[None], -np.inf, scores)
        share = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (share / share.sum(axis=-1, keepdims=True)) @ values
        joined: Floats = mixed.transpose(1, 0, 2).reshape(q.shape[1], -1).astype(np.float32)
        return joined


def _normed(x: Floats) -> Floats:
    normed: Floats = ((x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)).astype(np.float32)
    return normed


def _positions(begin: int, count: int, width: int) -> Floats:
    angle = (begin + np.arange(count))[:, None] / 10000.0 ** (np.arange(0, width, 2)[None] / width)
    found: Floats = np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    return found


class TinyEngine:
    """Greedy decoding, one request at a time: the others wait their turn between tokens."""

    model = "tiny-untrained-transformer"

    def __init__(self, model: TinyTransformer) -> None:
        self._model = model
        self._turn = asyncio.Lock()

    def count(self, text: str) -> int:
        return len(text.encode())

    async def generate(self, prompt: str, tokens: int) -> AsyncIterator[str]:
        cache, taken = Cache(), list(prompt.encode())
        for _ in range(tokens):
            async with self._turn:
                scores = await asyncio.to_thread(self._model.step, taken, cache)
            taken = [int(scores.argmax())]
            yield chr(taken[0])


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="A tiny untrained transformer behind the OpenAI API")
    parser.add_argument("--port", type=int, default=9002)
    parser.add_argument("--layers", type=int, default=4)
    given = parser.parse_args()
    app = openai_app(TinyEngine(TinyTransformer(layers=given.layers)))
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
