"""The serving port on real processes: gateway, stand-in servers, and a tiny real transformer, all over HTTP."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from controller.devices.compute.serving.fleet import ServiceSetup, filled
from controller.devices.compute.serving.server_desk import ServerDesk, rows_file
from sites.compute.calibrate import fit_decode, read_rows
from sites.compute.records import ServingMode

STAND_IN = (
    sys.executable,
    "-m",
    "controller.devices.compute.bench.stand_in_server",
    *("--gpu", "l40s", "--model", "llama-8b", "--precision", "{precision}", "--port", "{port}", "--faster", "20"),
)
TINY = (sys.executable, "-m", "controller.devices.compute.bench.tiny_server", "--port", "{port}")
CHAT = {"model": "any", "messages": [{"role": "user", "content": "hello there " * 20}], "max_tokens": 12}


def mode(name: str = "fp8 x1", **more: object) -> ServingMode:
    usual: dict[str, object] = {
        "name": name,
        "pool": "l40s",
        "profile": "decode",
        "precision": "fp8",
        "replicas": 1,
        "gpus": 1,
        "limit_w": 300.0,
        "slots": 8,
        "service_s": 1.0,
        "service_scv": 0.5,
        "rate_rps": 50.0,
        "idle_w": 60.0,
        "busy_w": 250.0,
        "p99_s": 8.0,
    }
    return ServingMode.model_validate({**usual, **more})


NOTHING = mode("off", replicas=0, gpus=0, rate_rps=0.0, slots=0)


def free_ports() -> list[int]:
    held = [socket.socket() for _ in range(10)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Bench:
    """A desk, turned by hand, on ports of its own."""

    def __init__(self, folder: Path, **more: object) -> None:
        listen, admin, first, *_ = free_ports()
        given = {"command": STAND_IN, "first_port": first, "drain_s": 5.0, **more}
        self.setup = ServiceSetup("chat", f"127.0.0.1:{listen}", admin, **given)  # type: ignore[arg-type]
        self.folder, self.url = folder, f"http://127.0.0.1:{listen}/v1"
        self.desks: list[ServerDesk] = []
        self.desk = self.again()
        self.client = httpx.Client(trust_env=False, timeout=30.0)

    def again(self) -> ServerDesk:
        """Return the desk of a daemon that was started anew."""
        self.desks.append(ServerDesk(self.setup, self.folder, gpu_draw_w=lambda: 200.0))
        return self.desks[-1]

    def end(self) -> None:
        self.desk.end()
        for desk in self.desks:
            for child in desk._runner._children.values():
                child.wait(10.0)
        self.client.close()

    def until(self, true: Callable[[], bool], seconds: float = 40.0) -> None:
        deadline_s = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline_s, self.desk.trouble
            self.desk.turn()
            time.sleep(0.05)

    def serve(self, wanted: ServingMode) -> None:
        self.desk.want(wanted)
        self.until(lambda: self.desk.mode == wanted.name)

    def chat(self, **more: object) -> httpx.Response:
        return self.client.post(f"{self.url}/chat/completions", json={**CHAT, **more})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.end()


def test_a_mode_is_started_swapped_restarted_and_drained(bench: Bench) -> None:
    bench.serve(mode())
    answer = bench.chat()
    assert answer.status_code == 200
    assert answer.json()["model"] == "stand-in-llama-8b-fp8"
    assert answer.json()["usage"]["completion_tokens"] == 12

    bench.serve(mode("int4 x1", precision="int4"))
    assert bench.chat().json()["model"] == "stand-in-llama-8b-int4"
    assert len([name for name in bench.desk._runner.jobs() if "gateway" not in name]) == 1

    bench.desk = bench.again()
    bench.serve(mode("int4 x1", precision="int4"))
    assert bench.chat().status_code == 200, "the next daemon finds what runs"
    assert [path.read_text() for path in bench.folder.glob("chat.gateway/starts")] == ["start\n"]

    server = next(name for name in bench.desk._runner.jobs() if "int4" in name)
    bench.desk._runner._signal(server, bench.desk._runner._run(server), 9)  # type: ignore[arg-type]
    bench.until(lambda: (bench.folder / server / "starts").read_text().count("start") == 2)
    bench.until(lambda: bench.desk.mode == "int4 x1")
    assert bench.chat().status_code == 200

    bench.desk.want(NOTHING)
    bench.until(lambda: not any("int4" in name for name in bench.desk._runner.jobs()))
    bench.desk.turn()
    refused = bench.chat()
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1


def test_above_the_sustained_rate_it_says_when_to_come_again_and_what_is_let_in_is_measured(bench: Bench) -> None:
    bench.serve(mode(rate_rps=0.5, slots=3))
    answers = [bench.chat() for _ in range(6)]
    turned_away = [each for each in answers if each.status_code == 429]
    assert 1 <= len(turned_away) <= 3
    assert all(int(each.headers["Retry-After"]) >= 1 for each in turned_away)
    bench.serve(mode("fp8 x1 faster", rate_rps=500.0, slots=64))
    for batch in (1, 4, 8):
        streams = [threading.Thread(target=stream, args=(bench.url,)) for _ in range(batch)]
        for each in streams:
            each.start()
        for each in streams:
            each.join()
        bench.desk.turn()
    state = bench.desk.state
    assert state is not None
    assert state.turned_away == len(turned_away)
    assert state.itl_mean_s is not None
    assert state.ttft_p50_s is not None
    assert state.tokens_per_s is not None
    measured = read_rows(rows_file(bench.folder, "chat", "l40s", "fp8", 1))
    assert len({row.batch for row in measured if row.batch == row.batch}) >= 3
    fit = fit_decode(measured, "l40s", "llama-8b", "fp8", 1, 100.0)
    assert fit.itl_base_ms + fit.itl_per_request_ms > 0.0
    assert fit.power_low_w + fit.power_span_w == pytest.approx(200.0, rel=0.05)


def stream(url: str) -> None:
    with (
        httpx.Client(trust_env=False, timeout=30.0) as client,
        client.stream("POST", f"{url}/chat/completions", json={**CHAT, "stream": True, "max_tokens": 40}) as answer,
    ):
        text = "".join(answer.iter_text())
    assert text.endswith("data: [DONE]\n\n")


def test_what_is_in_flight_ends_before_its_server_does(bench: Bench) -> None:
    bench.serve(mode())
    found: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: found.append(bench.chat(max_tokens=600)))
    asking.start()
    bench.until(lambda: bench.desk.state is not None and bench.desk.state.in_flight == 1)
    bench.serve(mode("int4 x1", precision="int4"))
    asking.join()
    assert found[0].status_code == 200
    assert found[0].json()["usage"]["completion_tokens"] == 600


def test_with_room_beside_nobody_is_turned_away_by_a_swap(tmp_path: Path) -> None:
    bench = Bench(tmp_path, room_beside=True)
    try:
        bench.serve(mode())
        seen: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(trust_env=False, timeout=30.0) as client:
                while not stop.wait(0.02):
                    seen.append(client.post(f"{bench.url}/chat/completions", json=CHAT).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        bench.serve(mode("int4 x1", precision="int4"))
        stop.set()
        asking.join()
        assert set(seen) == {200}
        assert bench.chat().json()["model"] == "stand-in-llama-8b-int4"
    finally:
        bench.end()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"messages": 3}', 400),
        (b'{"messages": [], "max_tokens": 5}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}', 400),
    ],
)
def test_bad_requests_pass_through_as_the_server_judges_them(body: bytes, status: int, served: Bench) -> None:
    assert served.client.post(f"{served.url}/chat/completions", content=body).status_code == status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("served"))
    made.serve(mode())
    yield made
    made.end()


def test_a_mode_that_makes_no_sense_is_not_taken(served: Bench) -> None:
    url = f"http://127.0.0.1:{served.setup.admin_port}/admin/mode"
    for body in (b"", b"{}x", b'{"rate_rps": -1}', b'{"rate_rps": NaN}', b'{"unknown": 1}'):
        assert served.client.put(url, content=body).status_code == 422
    assert served.chat().status_code == 200


def test_a_server_that_never_comes_up_is_tried_ever_more_patiently(tmp_path: Path) -> None:
    bench = Bench(tmp_path, command=("sh", "-c", "exit 3"))
    try:
        bench.desk.want(mode())
        bench.until(lambda: "exit code 3" in bench.desk.trouble)
        assert bench.desk.mode == ""
        assert bench.chat().status_code == 503
    finally:
        bench.end()


def test_a_tiny_real_model_is_served_and_measured(tmp_path: Path) -> None:
    bench = Bench(tmp_path, command=TINY)
    try:
        bench.serve(mode())
        said = [bench.chat(max_tokens=8).json() for _ in range(2)]
        assert said[0]["model"] == "tiny-untrained-transformer"
        assert said[0]["choices"][0]["message"] == said[1]["choices"][0]["message"], "the same weights say the same"
        assert said[0]["usage"]["prompt_tokens"] == len(CHAT["messages"][0]["content"])  # type: ignore[index]
        stream(bench.url)
        bench.desk.turn()
        state = bench.desk.state
        assert state is not None
        assert state.itl_mean_s is not None
        assert state.itl_mean_s > 0.0
    finally:
        bench.end()


def test_only_known_placeholders_are_filled() -> None:
    assert filled('--x={port} {"a": 1} {nothing}', {"port": "9"}) == '--x=9 {"a": 1} {nothing}'
    assert json.loads(filled('{"a": "{port}"}', {"port": "9"})) == {"a": "9"}
