"""Every counterpart of CONTRIBUTING starts by the command that stands there, and answers."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from benchmarks.devices_day import LOCAL_START, day_site
from controller.devices.compute.bench.slurm_cluster import missing_tools
from sites.load import load_site
from tests.docs.shown import ROOT

BLOCK = re.search(r"## Counterparts.*?```\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
assert BLOCK is not None
COMMANDS = [line.partition("#")[0].strip() for line in BLOCK[1].splitlines()]


def listed(word: str) -> list[str]:
    """Return the one command with this word, with this interpreter."""
    (command,) = [each for each in COMMANDS if word in each]
    words = shlex.split(command)
    return [sys.executable, *words[1:]] if words[0] == "python" else words


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def started(words: list[str], port: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Yield a counterpart that runs; with ``port`` one that listens there."""
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        end_s = time.monotonic() + 120.0
        while port is not None:
            assert child.poll() is None
            assert time.monotonic() < end_s
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield child
    finally:
        child.terminate()
        child.wait(120.0)
        assert child.stdout is not None
        child.stdout.close()


def with_port(words: list[str], port: int) -> list[str]:
    """Return a command with another port in place of its own."""
    at = words.index("--port" if "--port" in words else "-p") + 1
    return [*words[:at], str(port), *words[at + 1 :]]


def said(child: subprocess.Popen[str], seconds: float = 120.0) -> str:
    """Return the first line that a counterpart prints."""
    assert child.stdout is not None
    assert select.select([child.stdout], [], [], seconds)[0], "it says nothing"
    return child.stdout.readline()


def test_all_six_are_listed() -> None:
    assert len(COMMANDS) == 6


def test_the_plant_server_answers_sunspec(tmp_path: Path) -> None:
    file = day_site(tmp_path, modbus=True, slurm=False)
    words = [str(file) if word == "SITE" else word for word in listed("plant_server")]
    words[words.index("--start") + 1] = LOCAL_START
    port = int(load_site(str(file)).devices.equipment[0].address.rpartition(":")[2])
    with started(words) as child:
        assert "Modbus on" in said(child)
        client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=60.0)
        client.connect()
        client.scan(connect=False)
        assert {701, 704, 713, 715} <= {model.model_id for model in client.model_list}
        client.disconnect()


def test_redfish_lists_its_hosts() -> None:
    port = free_port()
    with started(with_port(listed("redfish_server"), port), port):
        found = httpx.get(f"http://127.0.0.1:{port}/redfish/v1/Systems", trust_env=False, timeout=120.0)
        assert found.json()["Members"]


@pytest.mark.parametrize("which", ["stand_in_server", "tiny_server"])
def test_the_openai_servers_answer(which: str) -> None:
    port = free_port()
    asked = {"model": "any", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
    with started(with_port(listed(which), port), port):
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        found = httpx.post(url, json=asked, trust_env=False, timeout=120.0).json()
        assert found["choices"][0]["message"]["content"]


def test_mosquitto_takes_connections() -> None:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("mosquitto is not here; install with: apt-get install mosquitto")
    port = free_port()
    with started([str(found), *with_port(listed("mosquitto"), port)[1:]], port):
        pass


def test_slurm_comes_up_and_lists_its_node() -> None:
    if (missing_tools() or os.getuid() != 0) and os.environ.get("CI") != "true":
        pytest.skip("Slurm is not here, or this user is not root")
    with started(listed("slurm_cluster")) as child:
        conf = said(child).partition("SLURM_CONF=")[2].strip()
        assert conf, "it says how to reach it"
        environment = {**os.environ, "SLURM_CONF": conf}
        nodes = subprocess.run(["sinfo", "-h"], env=environment, capture_output=True, text=True, check=True).stdout
        assert "idle" in nodes
    left = [file.parent.name for file in Path("/proc").glob("[0-9]*/cmdline") if conf.encode() in _read(file)]
    assert left == [], "daemons outlive the cluster that was ended"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
