"""What systemd hears on a real NOTIFY_SOCKET: ready once, alive after each completed cycle, stopping on purpose."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from controller.daemon.service_manager import ServiceManager


def test_the_watchdog_is_fed_only_by_completed_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        manager = ServiceManager()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        manager.cycle_done()
        manager.cycle_done()
        manager.stopping()
        heard = [systemd.recv(100) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    manager = ServiceManager()
    manager.cycle_done()
    ServiceManager("/nowhere/notify").cycle_done()
    manager.stopping()
