"""GPUs on the command line: the safe cap stays until it is released, and what cannot be done says why."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from controller.cli.main import app
from controller.devices.compute.gpu_helper import GpuHelper, HeldGpus
from controller.devices.compute.gpu_remote import HelperLine
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from sites.errors import InputError
from sites.load import find_site


def site_file(folder: Path, **gpus: object) -> str:
    """Write the cabinet with its L40S on this host."""
    document = yaml.safe_load(find_site("cabinet").read_text())
    given = {"pool": "l40s", "driver": "nvml", "helper": str(folder / "gpu.sock"), **gpus}
    document["devices"] = {"compute": {"gpus": [given]}}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


@contextmanager
def helper(folder: Path, told: ToldGpu) -> Iterator[None]:
    server = GpuHelper(folder / "gpu.sock", HeldGpus([NvmlGpu(ToldNvml(told), 0)]), users=frozenset({os.getuid()}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_release_gives_the_default_back_but_not_under_a_daemon(tmp_path: Path) -> None:
    told, site = ToldGpu(limit_w=100.0), site_file(tmp_path)
    with helper(tmp_path, told):
        daemon = HelperLine(str(tmp_path / "gpu.sock"))
        daemon.gpus()[0].set_limit_w(200.0)
        refused = CliRunner().invoke(app, ["devices", "release", site])
        assert (refused.exit_code, told.limit_w) == (1, 200.0)
        assert "stop it first" in refused.output
        daemon.close()
        done = None
        for _ in range(50):
            done = CliRunner().invoke(app, ["devices", "release", site, "l40s"])
            if done.exit_code == 0:
                break
        assert done is not None
        assert "released, 300 W" in done.output
        assert told.limit_w == 300.0


def test_what_cannot_be_done_says_why(tmp_path: Path) -> None:
    site = site_file(tmp_path)
    nobody = CliRunner().invoke(app, ["devices", "release", site])
    assert nobody.exit_code == 1
    assert "mdc devices helper" in nobody.output
    for words, text in (
        (["release", site, "no-such"], "no-such"),
        (["helper", site, "no-pool", "--user", "0"], "name one of: l40s"),
        (["helper", site, "l40s", "--user", "nobody-of-this-name"], "name a user"),
    ):
        found = CliRunner().invoke(app, ["devices", *words])
        assert isinstance(found.exception, InputError), words
        assert text in str(found.exception)
    site = site_file(tmp_path, helper="")
    found = CliRunner().invoke(app, ["devices", "helper", site, "l40s", "--user", "0"])
    assert isinstance(found.exception, InputError)
    assert "name its socket" in str(found.exception)


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        ({"gpus": [{"pool": "none", "driver": "nvml"}]}, "name one of: l40s"),
        ({"gpus": [{"pool": "l40s", "driver": "amd"}]}, "nvml"),
        ({"gpus": [{"pool": "l40s", "driver": "nvml", "indices": [0, 0]}]}, "each GPU once"),
        ({"gpus": [{"pool": "l40s", "driver": "nvml"}] * 2}, "describe it once"),
        ({"jobs": {"driver": "slurm"}}, "name the programs"),
        ({"jobs": {"driver": "local", "programs": [{"job": "any", "command": []}]}}, "at least 1"),
        ({"jobs": {"driver": "local", "programs": [{"job": "any", "command": [" "]}]}}, "no program"),
        ({"jobs": {"driver": "local", "programs": [{"job": "any", "command": ["x"]}] * 2}}, "once"),
        ({"jobs": {"driver": "local", "partition": "a;b", "programs": [{"job": "any", "command": ["x"]}]}}, "pattern"),
        ({"serving": [{"service": "no", "listen": "h:1", "admin_port": 9001, "servers": ["http://h:1"]}]}, "name one"),
        ({"serving": [{"service": "station-assistant", "listen": "h:1", "admin_port": 9001}]}, "either the command"),
        (
            {
                "serving": [
                    {"service": "station-assistant", "listen": "h:9001", "admin_port": 9001, "command": ["vllm"]}
                ]
            },
            "ports of its own",
        ),
        (
            {"serving": [{"service": "station-assistant", "listen": "h:1", "admin_port": 9001, "servers": ["h:1/"]}]},
            "http://HOST:PORT",
        ),
    ],
)
def test_a_bad_compute_section_is_told_by_mdc_check(compute: dict[str, object], text: str, tmp_path: Path) -> None:
    document = yaml.safe_load(find_site("cabinet").read_text())
    document["devices"] = {"compute": compute}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(document))
    found = CliRunner().invoke(app, ["check", str(tmp_path / "site.yaml")])
    assert isinstance(found.exception, InputError)
    assert text in str(found.exception)
