"""A console that listens on a free port of this machine while a test runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from controller.web.app import make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from sites.load import load_site
from sites.ports import SystemClock


@contextmanager
def serving(store: str, *, site: str = "container") -> Iterator[str]:
    """Yield the address of a console over ``store``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    described, clock = load_site(site), SystemClock()
    app = make_app(DeskReader(store, described, clock), Gate(store, described.name, clock, local=True))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    pause = threading.Event()
    while not server.started and thread.is_alive():
        pause.wait(0.02)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)
