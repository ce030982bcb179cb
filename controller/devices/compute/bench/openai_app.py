"""The part of the OpenAI API that a serving port needs, in front of any engine: models, completions, chat, health."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

TOKENS_MAX = 4096


class Engine(Protocol):
    """Whatever makes the text."""

    @property
    def model(self) -> str:
        """Name that says what it is."""
        ...

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        ...

    def generate(self, prompt: str, tokens: int) -> AsyncIterator[str]:
        """Yield the text token by token."""
        ...


def openai_app(engine: Engine) -> Starlette:
    """Return the app of an engine."""

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": engine.model, "object": "model"}]})

    async def health(request: Request) -> Response:
        return Response()

    async def complete(request: Request) -> Response:
        chat = request.url.path.endswith("/chat/completions")
        try:
            asked: dict[str, Any] = json.loads(await request.body())
            prompt = _prompt(asked, chat)
            tokens = min(int(asked.get("max_tokens", 16)), TOKENS_MAX)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return JSONResponse({"error": {"message": f"not understood: {error}"}}, status_code=400)
        if not prompt or tokens < 1:
            return JSONResponse({"error": {"message": "a prompt and max_tokens of 1 or more"}}, status_code=400)
        if asked.get("stream"):
            return StreamingResponse(_stream(engine, prompt, tokens, chat), media_type="text/event-stream")
        parts = [part async for part in engine.generate(prompt, tokens)]
        return JSONResponse(_answer(engine, prompt, parts, chat))

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/health", health),
            Route("/v1/completions", complete, methods=["POST"]),
            Route("/v1/chat/completions", complete, methods=["POST"]),
        ]
    )


def _prompt(asked: dict[str, Any], chat: bool) -> str:
    if chat:
        return "\n".join(str(message["content"]) for message in asked["messages"])
    return str(asked["prompt"])


async def _stream(engine: Engine, prompt: str, tokens: int, chat: bool) -> AsyncIterator[bytes]:
    said = 0
    async for part in engine.generate(prompt, tokens):
        said += 1
        yield b"data: " + json.dumps(_shell(engine, chat, chunk=True, part=part)).encode() + b"\n\n"
    last = _shell(engine, chat, chunk=True, part=None) | {"usage": _usage(engine.count(prompt), said)}
    yield b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"


def _answer(engine: Engine, prompt: str, parts: list[str], chat: bool) -> dict[str, Any]:
    usage = _usage(engine.count(prompt), len(parts))
    return _shell(engine, chat, chunk=False, part="".join(parts)) | {"usage": usage}


def _usage(prompt: int, answer: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _shell(engine: Engine, chat: bool, *, chunk: bool, part: str | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": None if chunk and part is not None else "length"}
    if not chat:
        choice["text"] = part or ""
    elif chunk:
        choice["delta"] = {} if part is None else {"content": part}
    else:
        choice["message"] = {"role": "assistant", "content": part}
    kind = ("chat.completion" if chat else "text_completion") + (".chunk" if chunk and chat else "")
    return {"id": "mdc", "object": kind, "created": int(time.time()), "model": engine.model, "choices": [choice]}
