"""The daemon starts the bridge of a site file with an ``mqtt`` section, on a real Mosquitto, and lives without either."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.daemon import side_process
from controller.daemon.loop import Loop, LoopOptions
from controller.mqtt.running import run_bridge
from sites.errors import InputError
from sites.ports import SystemClock
from sites.schema.mqtt import Mqtt
from tests.controller.daemon.prepared import SITE, START
from tests.controller.mqtt.mosquitto import Broker, Listener

ROOT = "mdc/container"
STUB = "tests.controller.daemon.stub_worker"


@contextmanager
def turning(folder: Path, mqtt: Mqtt) -> Iterator[Loop]:
    """Yield a loop that turns in a thread."""
    options = LoopOptions(
        site=SITE.model_copy(update={"mqtt": mqtt}),
        site_file="container",
        url=f"sqlite:///{folder / 'mdc.sqlite'}",
        speed=3600.0,
        start_utc=START,
        port=None,
        worker_memory_mb=2048,
        worker_module=STUB,
    )
    loop, over = Loop(options, host=SystemClock(), say=lambda _: None), threading.Event()

    def run() -> None:
        while not over.wait(0.1):
            loop._turn()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield loop
    finally:
        over.set()
        thread.join(10.0)
        loop.close()


def test_a_bridge_that_dies_and_a_broker_that_restarts_come_back_and_the_daemon_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_process, "PAUSE_S", (0.1, 0.2))
    broker = Broker(tmp_path)
    broker.start()
    config = Mqtt.model_validate({"address": f"mqtt://127.0.0.1:{broker.port}", "every_s": 0.1})
    try:
        with Listener(broker.port) as listener:
            with turning(tmp_path, config) as loop:
                listener.until(f"{ROOT}/status", lambda text: text == "online", 30.0)
                first = loop._bridge.pid
                assert first is not None
                os.kill(first, signal.SIGKILL)
                listener.until(f"{ROOT}/status", lambda text: text == "offline", 30.0)
                listener.until(f"{ROOT}/status", lambda text: text == "online", 30.0)
                assert loop._bridge.pid not in (None, first)
                with pytest.raises(InputError, match="another bridge of this site"):
                    run_bridge(loop._options.site, loop._options.url, source="site", say=lambda _: None)
                before = json.loads(listener.last(f"{ROOT}/state"))["at"]
                broker.stop()
                broker.start()
                listener.until(f"{ROOT}/state", lambda text: json.loads(text)["at"] > before, 30.0)
            listener.until(f"{ROOT}/status", lambda text: text == "offline", 30.0)
    finally:
        broker.stop()


def test_a_site_whose_bridge_is_started_elsewhere_has_none(tmp_path: Path) -> None:
    with turning(tmp_path, Mqtt(address="mqtt://127.0.0.1:1", with_daemon=False)) as loop:
        loop._turn()
        assert loop._bridge.pid is None
