"""The privileged helper: who may call, what may be said, and what it leaves behind a caller that dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.devices.compute.gpu_power import (
    Applied,
    DriverGoneError,
    GpuPowerError,
    NoPermissionError,
    Refused,
)
from controller.devices.compute.gpu_remote import HelperLine
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from tests.controller.devices.compute.test_gpu_power import helper

HOLDER = """
import json, socket, sys, time
line = socket.socket(socket.AF_UNIX); line.connect(sys.argv[1])
line.sendall(json.dumps({"do": "set", "gpu": 0, "limit_w": 280}).encode() + b"\\n")
print(line.recv(1000).decode(), flush=True)
time.sleep(60)
"""


def made(told: ToldGpu) -> NvmlGpu:
    return NvmlGpu(ToldNvml(told), 0)


def until(true: object) -> None:
    deadline_s = time.monotonic() + 20.0
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_strangers_are_turned_away(tmp_path: Path) -> None:
    with (
        helper(tmp_path, made(ToldGpu()), users=frozenset({os.getuid() + 1})) as line,
        pytest.raises(NoPermissionError, match="not among those"),
    ):
        line.gpus()


def test_a_refusal_is_read_even_when_the_helper_hung_up_first(tmp_path: Path) -> None:
    line = HelperLine(str(tmp_path / "gpu.sock"))
    line._line, there = socket.socketpair(socket.AF_UNIX)
    there.sendall(b'{"error": "NoPermissionError", "text": "user 7 is not among those this helper serves"}\n')
    there.close()
    with pytest.raises(NoPermissionError, match="not among those"):
        line.ask(do="count")
    line.close()


def test_the_owners_range_is_hard(tmp_path: Path) -> None:
    told = ToldGpu()
    with helper(tmp_path, made(told), range_w=(150.0, 250.0)) as line:
        gpu = line.gpus()[0]
        assert (gpu.limit_range().min_w, gpu.limit_range().max_w) == (150.0, 250.0)
        assert isinstance(gpu.set_limit_w(251.0), Refused)
        assert isinstance(gpu.set_limit_w(250.0), Applied)
    assert told.writes_w[0] == 250.0


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"set everything\n",
        b'{"do": "shell", "gpu": 0}\n',
        b'{"do": "set", "gpu": 0, "limit_w": "NaN"}\n',
        b'{"do": "set", "gpu": 0, "limit_w": NaN}\n',
        b'{"do": "set", "gpu": -1, "limit_w": 200}\n',
        b'{"do": "set", "gpu": 9, "limit_w": 200}\n',
        b'{"do": "set", "gpu": 0, "limit_w": 200, "as": "root"}\n',
        b'{"do": "set", "gpu": 0}\n',
        b"\xff\xfe\n",
        b"x" * 5000 + b"\n",
    ],
)
def test_nonsense_changes_nothing(said: bytes, tmp_path: Path) -> None:
    told = ToldGpu()
    with helper(tmp_path, made(told)) as line:
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(str(tmp_path / "gpu.sock"))
        raw.sendall(said)
        answer = json.loads(raw.makefile().readline())
        assert "error" in answer or answer["outcome"] == "Refused"
        raw.close()
        assert line.gpus()[0].reading().enforced_w == 300.0
    assert told.writes_w == []


def test_a_killed_holder_leaves_the_safe_cap_and_release_gives_the_default_back(tmp_path: Path) -> None:
    told = ToldGpu()
    with helper(tmp_path, made(told), safe_limit_w=120.0) as line:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "gpu.sock")], stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert '"Applied"' in holder.stdout.readline()
        assert told.limit_w == 280.0
        with pytest.raises(GpuPowerError, match="stop it first"):
            line.release()
        holder.kill()
        holder.wait()
        holder.stdout.close()
        until(lambda: told.limit_w == 120.0)
        assert line.release() == (Applied(enforced_w=300.0),)
    assert told.limit_w == 300.0, "who only released was no holder: nothing is capped behind it"


def test_a_holder_that_falls_silent_is_taken_for_dead(tmp_path: Path) -> None:
    told = ToldGpu()
    with helper(tmp_path, made(told), safe_limit_w=120.0, silent_s=0.2) as line:
        assert isinstance(line.gpus()[0].set_limit_w(250.0), Applied)
        until(lambda: told.limit_w == 120.0)


def test_a_helper_that_is_not_there_or_hangs_raises_in_time(tmp_path: Path) -> None:
    with pytest.raises(DriverGoneError, match="mdc devices helper"):
        HelperLine(str(tmp_path / "none.sock")).gpus()
    mute = socket.socket(socket.AF_UNIX)
    mute.bind(str(tmp_path / "mute.sock"))
    mute.listen()
    begin_s = time.monotonic()
    with pytest.raises(DriverGoneError, match="does not answer"):
        HelperLine(str(tmp_path / "mute.sock"), timeout_s=0.1).gpus()
    assert time.monotonic() - begin_s < 10.0
    mute.close()
