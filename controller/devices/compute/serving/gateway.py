"""The gateway of one service: what clients talk to; it admits, forwards to the least busy server, and measures.

A process of its own, so that requests and the control loop never wait for each other, and so that a service goes on under
its last mode while the daemon is away. ``/v1/…`` is forwarded as it is, streams included:

    429 + Retry-After   above the sustained rate of the mode
    503 + Retry-After   draining, or no server is up
    502                 the server failed in the middle

``GET /admin/state`` and ``PUT /admin/mode`` are for the daemon, on a port of their own that listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import time
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from controller.devices.compute.serving.admission import admitted, changed, opened
from controller.devices.compute.serving.meter import Meter, Passed
from controller.devices.compute.serving.mode import GatewayMode

HEALTH_S = 1.0
BODY_MAX_B = 8 << 20
DRAIN_RETRY_S = 15
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}
READ_S = 600.0


class Gateway:
    """Admission, forwarding, measuring."""

    def __init__(self) -> None:
        self.mode = GatewayMode()
        self.meter = Meter()
        self._bucket = opened(0.0, 1.0, time.monotonic())
        self._busy: dict[str, int] = {}
        self._healthy: set[str] = set()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=READ_S), limits=limits, trust_env=False)

    async def apply(self, mode: GatewayMode) -> None:
        """Take a mode; its servers are asked whether they are up before anything is forwarded to them."""
        healthy = await self._healthy_of(mode)
        idle, now_s = self.mode.rate_rps == 0.0, time.monotonic()
        self.mode, self._healthy = mode, healthy
        given = (mode.rate_rps, mode.burst, now_s)
        self._bucket = opened(*given) if idle else changed(self._bucket, *given)

    async def watch(self) -> None:
        """Ask the servers again and again whether they are up."""
        while True:
            mode = self.mode
            healthy = await self._healthy_of(mode)
            if mode is self.mode:
                self._healthy = healthy
            await asyncio.sleep(HEALTH_S if len(healthy) == len(mode.servers) else HEALTH_S / 5)

    async def _healthy_of(self, mode: GatewayMode) -> set[str]:
        found = await asyncio.gather(*(self._up(server, mode.health_path) for server in mode.servers))
        return {server for server, up in zip(mode.servers, found, strict=True) if up}

    async def _up(self, server: str, path: str) -> bool:
        try:
            return (await self._client.get(server + path, timeout=HEALTH_S)).status_code == 200
        except httpx.HTTPError:
            return False

    async def forward(self, request: Request) -> Response:
        """Answer one request of a client."""
        self.meter.arrived += 1
        if self.mode.draining or not self._healthy:
            self.meter.unserved += 1
            return _problem(503, "no server is up for this model now", DRAIN_RETRY_S)
        self._bucket, wait_s = admitted(self._bucket, time.monotonic())
        if wait_s > 0.0:
            self.meter.turned_away += 1
            return _problem(429, f"above the sustained rate of {self.mode.rate_rps:g} requests a second", wait_s)
        body = await request.body()
        if len(body) > BODY_MAX_B:
            return _problem(413, "the request is too long", 0.0)
        server = min(self._healthy, key=lambda each: self._busy.get(each, 0))
        return await self._forwarded(request, body, server)

    async def _forwarded(self, request: Request, body: bytes, server: str) -> Response:
        headers = [(key, value) for key, value in request.headers.items() if key.lower() not in HOP_HEADERS]
        asked = self._client.build_request(
            request.method, server + request.url.path, headers=headers, content=body, params=request.query_params
        )
        began_s = time.monotonic()
        self._enter(server)
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            self._leave(server)
            self.meter.unserved += 1
            self._healthy.discard(server)
            return _problem(502, f"the server failed: {type(error).__name__}", 1.0)
        passing = self._passing(answer, server, began_s)
        kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_HEADERS}
        return StreamingResponse(passing, status_code=answer.status_code, headers=kept)

    async def _passing(self, answer: httpx.Response, server: str, began_s: float) -> AsyncIterator[bytes]:
        """Pass an answer on as it comes, and time it."""
        first_s = last_s = 0.0
        batch, chunks, tail = 1, 0, b""
        streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
        try:
            async for part in answer.aiter_raw():
                last_s = time.monotonic()
                if not first_s:
                    first_s, batch = last_s, self._busy.get(server, 1)
                chunks += part.count(b"data: {") if streamed else 0
                tail = (tail + part)[-8192:]
                yield part
            if answer.status_code < 400 and first_s:
                prompt, tokens = usage(tail, chunks)
                self.meter.passed(
                    Passed(
                        at_s=last_s,
                        batch=batch,
                        prompt_tokens=prompt,
                        answer_tokens=tokens,
                        ttft_s=first_s - began_s if streamed else 0.0,
                        itl_s=(last_s - first_s) / (tokens - 1) if streamed and tokens > 1 else 0.0,
                        total_s=last_s - began_s,
                    )
                )
            elif answer.status_code >= 500:
                self.meter.unserved += 1
        except httpx.HTTPError:
            self.meter.unserved += 1
            raise
        finally:
            self._leave(server)
            await answer.aclose()

    def _enter(self, server: str) -> None:
        self._busy[server] = self._busy.get(server, 0) + 1
        self.meter.in_flight += 1

    def _leave(self, server: str) -> None:
        self._busy[server] -= 1
        self.meter.in_flight -= 1

    async def state(self, request: Request) -> Response:
        """Tell the daemon how the service does; with ``?rows=1`` also the requests since the last time."""
        told = self.meter.state(len(self._healthy)).model_dump()
        rows = [list(row) for row in self.meter.rows()] if request.query_params.get("rows") else []
        return JSONResponse({"state": told, "mode": self.mode.model_dump(), "busy": self._busy, "rows": rows})

    async def set_mode(self, request: Request) -> Response:
        """Take a mode from the daemon."""
        try:
            await self.apply(GatewayMode.model_validate_json(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)[:300]}, status_code=422)
        return JSONResponse({"taken": True})


def usage(tail: bytes, chunks: int) -> tuple[int, int]:
    """Return prompt and answer tokens by the answer's own account, else the number of chunks as the answer's."""
    for line in reversed(tail.splitlines()):
        text = line.removeprefix(b"data: ").strip()
        if b'"usage"' not in text:
            continue
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            told = json.loads(text).get("usage") or {}
            return int(told.get("prompt_tokens", 0)), int(told.get("completion_tokens", chunks))
    return 0, chunks


def _problem(status: int, text: str, retry_s: float) -> Response:
    headers = {"Retry-After": str(max(math.ceil(retry_s), 1))} if retry_s > 0.0 else {}
    return JSONResponse({"error": {"message": text, "code": status}}, status_code=status, headers=headers)


def apps(gateway: Gateway) -> tuple[Starlette, Starlette]:
    """Return what clients talk to and what the daemon talks to."""

    @contextlib.asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        watch = asyncio.create_task(gateway.watch())
        yield
        watch.cancel()

    client = Starlette(routes=[Route("/v1/{path:path}", gateway.forward, methods=["GET", "POST"])], lifespan=watching)
    admin = Starlette(
        routes=[
            Route("/admin/state", gateway.state),
            Route("/admin/mode", gateway.set_mode, methods=["PUT"]),
        ]
    )
    return client, admin


async def serve(host: str, port: int, admin_port: int) -> None:
    """Serve both until ended."""
    client, admin = apps(Gateway())
    servers = [
        uvicorn.Server(uvicorn.Config(client, host=host, port=port, log_level="warning")),
        uvicorn.Server(uvicorn.Config(admin, host="127.0.0.1", port=admin_port, log_level="warning")),
    ]
    await asyncio.gather(*(server.serve() for server in servers))


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="Gateway of one service")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--admin-port", type=int, required=True)
    given = parser.parse_args()
    os.environ.pop("HTTP_PROXY", None)
    asyncio.run(serve(given.host, given.port, given.admin_port))


if __name__ == "__main__":
    main()
