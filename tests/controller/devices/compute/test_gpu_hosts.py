"""GPUs of several hosts in one pool: a helper on each, over TLS both ways; strangers, lost hosts and dead daemons."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from controller.cli import gpus as gpus_cli
from controller.devices.compute.gpu_helper import GpuTlsHelper, HeldGpus
from controller.devices.compute.gpu_power import Applied, DriverGoneError
from controller.devices.compute.gpu_remote import HelperGpu, HelperLine, tls_context
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from controller.devices.compute.parts import opened
from controller.devices.compute.placement import Want
from controller.devices.compute.pool_gpus import PoolGpus
from sites.errors import InputError
from sites.load import find_site, parse_site
from sites.schema.computing import GpuAccess

EACH = 2
"""GPUs of a host."""


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def authority(folder: Path) -> Path:
    """Make a certificate authority, as the docs say it."""
    folder.mkdir(parents=True)
    key, cert = str(folder / "ca.key"), str(folder / "ca.pem")
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *ec, "-keyout", key, "-out", cert, "-days", "3650", "-subj", "/CN=site GPUs")
    return folder


def certified(ca: Path, folder: Path, use: str) -> Path:
    """Make one side's folder, as the docs say it."""
    folder.mkdir()
    request, extensions = folder / "request.pem", folder / "extensions"
    extensions.write_text(f"subjectAltName=DNS:localhost\nextendedKeyUsage={use}\n")
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", *ec, "-keyout", str(folder / "key.pem"), "-out", str(request), "-subj", f"/CN={use}")
    signing = ("-CA", str(ca / "ca.pem"), "-CAkey", str(ca / "ca.key"), "-CAcreateserial", "-days", "3650")
    openssl(
        "x509", "-req", "-in", str(request), *signing, "-extfile", str(extensions), "-out", str(folder / "cert.pem")
    )
    (folder / "ca.pem").write_bytes((ca / "ca.pem").read_bytes())
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("certificates")
    ca = authority(base / "ca")
    return {
        "helper": certified(ca, base / "helper", "serverAuth"),
        "daemon": certified(ca, base / "daemon", "clientAuth"),
        "stranger": certified(authority(base / "other"), base / "stranger", "clientAuth"),
    }


class HelperHost:
    """A host of two told GPUs and its helper."""

    def __init__(self, certificates: Path, silent_s: float = 30.0) -> None:
        self.told = [ToldGpu() for _ in range(EACH)]
        held = HeldGpus([NvmlGpu(ToldNvml(each), 0) for each in self.told], safe_limit_w=120.0)
        self.server = GpuTlsHelper(("127.0.0.1", 0), held, certificates=certificates, silent_s=silent_s)
        self.address = f"tls://localhost:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def limits_w(self) -> list[float]:
        return [each.limit_w for each in self.told]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def hosts(folders: dict[str, Path]) -> Iterator[list[HelperHost]]:
    made = [HelperHost(folders["helper"]) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def access_to(hosts: list[HelperHost], folders: dict[str, Path]) -> GpuAccess:
    addresses = tuple(each.address for each in hosts)
    return GpuAccess(pool="l40s", driver="nvml", helper=addresses, certificates=str(folders["daemon"]))


def pool_of(access: GpuAccess) -> tuple[PoolGpus, Callable[[], None]]:
    """Return a pool that is kept, and what hangs up its lines as the end of a daemon's process does."""
    found: list[HelperGpu] = []

    def open_gpus() -> list[HelperGpu]:
        found.extend(each for each in opened(access, EACH) if isinstance(each, HelperGpu))
        return found

    def hang_up() -> None:
        for gpu in found:
            gpu._line.close()

    pool = PoolGpus("l40s", open_gpus, count=4, safe_limit_w=120.0, period_s=0.05)
    pool.start()
    return pool, hang_up


def test_one_pool_over_two_hosts_is_capped_and_released(
    hosts: list[HelperHost], folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    access = access_to(hosts, folders)
    pool, hang_up = pool_of(access)
    until(lambda: pool.ok() == 4 and hosts[0].limits_w + hosts[1].limits_w == [120.0] * 4)
    pool.order([Want("a", 3, 250.0)])
    until(lambda: sorted(hosts[0].limits_w + hosts[1].limits_w) == [120.0, 250.0, 250.0, 250.0])
    hosts[1].told[0].limit_w = 300.0
    until(lambda: 300.0 not in hosts[1].limits_w)
    pool.close()
    until(lambda: hosts[0].limits_w + hosts[1].limits_w == [120.0] * 4)
    assert not gpus_cli.release_pool(access), "the daemon still holds them"
    hang_up()
    until(lambda: not any(each.server.held.holders for each in hosts))
    assert gpus_cli.release_pool(access)
    assert hosts[0].limits_w + hosts[1].limits_w == [300.0] * 4
    assert capsys.readouterr().out.count("released, 300 W") == 4


def test_a_host_that_is_not_there_leaves_the_others_be(hosts: list[HelperHost], folders: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"tls://localhost:{free.getsockname()[1]}"
    access = access_to(hosts, folders).model_copy(update={"helper": (gone, hosts[0].address)})
    pool, hang_up = pool_of(access)
    until(lambda: pool.ok() == 2 and hosts[0].limits_w == [120.0, 120.0])
    lost = [each.trouble for each in pool.standings() if each.lost]
    assert len(lost) == 2
    assert all("GPU helper" in text for text in lost)
    pool.close()
    hang_up()


@pytest.mark.parametrize("who", ["stranger", "helper"])
def test_nobody_without_a_clients_certificate_of_the_sites_authority_gets_in(
    hosts: list[HelperHost], folders: dict[str, Path], who: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_bytes((folders[who] / name).read_bytes())
    (folder / "ca.pem").write_bytes((folders["helper"] / "ca.pem").read_bytes())
    with pytest.raises(DriverGoneError, match="does not answer"):
        HelperLine(hosts[0].address, certificates=folder).gpus()[0].set_limit_w(300.0)
    with socket.create_connection(("127.0.0.1", hosts[0].server.server_address[1]), 5.0) as plain:
        plain.sendall(b'{"do": "set", "gpu": 0, "limit_w": 300}\n')
        with contextlib.suppress(ConnectionResetError):
            assert not plain.recv(4096).startswith(b"{")
    assert [each.writes_w for each in hosts[0].told] == [[], []]


def test_a_server_that_is_none_of_the_sites_is_not_believed(folders: dict[str, Path]) -> None:
    context = tls_context(folders["stranger"], server=True)
    context.verify_mode = ssl.CERT_NONE
    false = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = false.accept()
        with pytest.raises(OSError):
            context.wrap_socket(line, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    line = HelperLine(f"tls://localhost:{false.getsockname()[1]}", certificates=folders["daemon"])
    with pytest.raises(DriverGoneError, match="certificate"):
        line.gpus()
    thread.join()
    false.close()


def test_a_daemon_whose_line_is_half_open_leaves_the_safe_cap(folders: dict[str, Path]) -> None:
    host = HelperHost(folders["helper"], silent_s=0.3)
    line = HelperLine(host.address, certificates=folders["daemon"])
    assert isinstance(line.gpus()[0].set_limit_w(250.0), Applied)
    until(lambda: host.limits_w == [120.0, 120.0])
    line.close()
    host.close()


@pytest.mark.parametrize(
    ("helper", "certificates", "mend"),
    [
        (["tls://h1:7000"], "", "need certificates"),
        (["tls://h1"], "certs", "HOST:PORT"),
        (["tls://h1:1", "tls://h2:1", "tls://h3:1"], "certs", "one helper or one a host: 2"),
    ],
)
def test_what_is_wrong_is_told_by_the_check(helper: list[str], certificates: str, mend: str) -> None:
    document = yaml.safe_load(find_site("cabinet").read_text())
    access = {"pool": "l40s", "driver": "nvml", "helper": helper, "certificates": certificates}
    document["devices"] = {"compute": {"gpus": [access]}}
    with pytest.raises(InputError, match=mend):
        parse_site(yaml.safe_dump(document), source="s.yaml")
