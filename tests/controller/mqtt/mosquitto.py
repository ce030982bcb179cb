"""Mosquitto for tests: a broker of our own on a free port, or a skip that says why; with ``CI=true`` it fails instead."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion


def broker_path() -> str:
    """Return where Mosquitto is."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        why = "mosquitto is not here; install with: apt-get install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


class Broker:
    """A broker that can be stopped and started again on its port."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._path = broker_path()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._child = subprocess.Popen([self._path, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                threading.Event().wait(0.02)
        raise RuntimeError("mosquitto does not start")

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(5.0)
            self._child = None


class Listener:
    """A client that keeps what it hears."""

    def __init__(self, port: int, topic: str = "#") -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = self._on_message
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_connect = lambda *_: self.client.subscribe(topic, qos=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(60.0)

    def _on_message(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload.decode(errors="replace"), bool(message.retain)))

    def last(self, topic: str) -> str:
        """Return the newest payload on a topic; empty when there is none."""
        return next((payload for name, payload, _ in reversed(self.heard) if name == topic), "")

    def until(self, topic: str, holds: Any, seconds: float = 60.0) -> str:
        """Wait until the newest payload on a topic is as wanted, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.last(topic)
            if found and holds(found):
                return found
            threading.Event().wait(0.02)
        raise AssertionError(f"{topic}: {self.last(topic)!r}; heard {[name for name, _, _ in self.heard][-20:]}")

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.client.disconnect()
        self.client.loop_stop()
