"""Weather predictions over HTTP and from a folder: slow, broken, stale, mislabelled and truncated answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.nwp import NwpRun, label_offset_min, plausible_index
from forecasting.sun import clear_sky, sun_path
from forecasting.weather.drop_folder import DropFolder
from forecasting.weather.predictions import NwpFault, OpenMeteo
from sites.ports import SystemClock

NOW = datetime(2025, 6, 1, 6, tzinfo=UTC)
Answer = Callable[[BaseHTTPRequestHandler], None]


def document(start: datetime = NOW - timedelta(hours=6), hours: int = 72, **changes: object) -> dict[str, object]:
    times = [int((start + timedelta(hours=i)).timestamp()) for i in range(hours)]
    hourly: dict[str, object] = {
        "time": times,
        "shortwave_radiation": [float(max(0.0, 600 * np.sin((t / 3600 % 24 - 6) / 12 * np.pi))) for t in times],
        "direct_normal_irradiance": [300.0] * hours,
        "temperature_2m": [18.0] * hours,
        "relative_humidity_2m": [50] * hours,
        "wind_speed_10m": [2.0] * hours,
        "surface_pressure": [1000.0] * hours,
    }
    hourly.update(changes)
    return {"hourly": hourly, "hourly_units": {"shortwave_radiation": "W/m²", "temperature_2m": "°C"}}


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                answer(self)

        def log_message(self, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}/v1/forecast"
    finally:
        running.shutdown()
        running.server_close()


def body(text: bytes, status: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return answer


def fetch(answer: Answer, *, deadline_s: float = 3.0) -> NwpRun | NwpFault:
    with server(answer) as address:
        service = OpenMeteo(
            latitude_deg=36.1, longitude_deg=-79.95, clock=SystemClock(), address=address, deadline_s=deadline_s
        )
        return service.fetch(NOW)


def test_a_good_answer_is_a_run_labelled_by_start() -> None:
    run = fetch(body(json.dumps(document()).encode()))
    assert isinstance(run, NwpRun)
    assert run.issued_utc == NOW
    # the service's label is the end of its hour
    assert run.ghi_w_m2.start_utc == NOW - timedelta(hours=7)
    assert run.temp_air_c is not None
    assert run.temp_air_c.values[0] == 18.0


def test_gaps_are_unknown_not_zero() -> None:
    values = [None, *[100.0] * 71]
    run = fetch(body(json.dumps(document(shortwave_radiation=values)).encode()))
    assert isinstance(run, NwpRun)
    assert np.isnan(run.ghi_w_m2.values[0])


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


whole = json.dumps(document()).encode()
old = json.dumps(document(start=NOW - timedelta(days=5))).encode()
kilowatt = json.dumps(document() | {"hourly_units": {"shortwave_radiation": "kW/m²"}}).encode()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (body(b"no", status=503), "refused"),
        (body(b"<html>moved</html>"), "broken"),
        (body(b"{}"), "broken"),
        (body(whole[: len(whole) // 2]), "truncated"),
        (body(json.dumps(document(shortwave_radiation=[1.0] * 5)).encode()), "truncated"),
        (body(json.dumps(document(shortwave_radiation=[None] * 72)).encode()), "nothing"),
        (body(old), "stale"),
        (body(kilowatt), "unit"),
        (body(json.dumps(document(time=[0, 3600, 3600, *range(69)])).encode()), "broken"),
    ],
)
def test_bad_answers_are_faults(answer: Answer, kind: str) -> None:
    fault = fetch(answer)
    assert isinstance(fault, NwpFault)
    assert fault.kind == kind


def test_a_trickling_answer_is_given_up() -> None:
    began = time.monotonic()
    fault = fetch(trickle, deadline_s=0.5)
    assert isinstance(fault, NwpFault)
    assert fault.kind == "slow"
    assert time.monotonic() - began < 1.9


def test_nobody_there() -> None:
    clock = SystemClock()
    service = OpenMeteo(latitude_deg=0, longitude_deg=0, clock=clock, address="http://127.0.0.1:9/", deadline_s=1.0)
    fault = service.fetch(NOW)
    assert isinstance(fault, NwpFault)
    assert fault.kind in ("unreachable", "slow")


def dropped(folder: Path, name: str, issued: datetime, *, label: str = "start", hours: int = 48) -> None:
    rows = [f"{(issued + timedelta(hours=i)).isoformat()},{i * 10.0}" for i in range(hours)]
    head = f"# source: regional\n# issued: {issued.isoformat()}\n# label: {label}\ntime_utc,ghi_w_m2\n"
    (folder / name).write_text(head + "\n".join(rows))


def test_folder_takes_the_newest_current_run(tmp_path: Path) -> None:
    dropped(tmp_path, "a.csv", NOW - timedelta(hours=24))
    dropped(tmp_path, "b.csv", NOW - timedelta(hours=12), label="end")
    dropped(tmp_path, "future.csv", NOW + timedelta(hours=1))
    (tmp_path / "c.csv").write_text("rubbish")
    run = DropFolder(folder=tmp_path).fetch(NOW)
    assert isinstance(run, NwpRun)
    assert run.issued_utc == NOW - timedelta(hours=12)
    assert run.ghi_w_m2.start_utc == NOW - timedelta(hours=13)


@pytest.mark.parametrize(("days", "kind"), [(5, "stale"), (None, "nothing")])
def test_folder_faults(tmp_path: Path, days: int | None, kind: str) -> None:
    if days is not None:
        dropped(tmp_path, "old.csv", NOW - timedelta(days=days))
    fault = DropFolder(folder=tmp_path).fetch(NOW)
    assert isinstance(fault, NwpFault)
    assert fault.kind == kind


@pytest.mark.parametrize("late_min", [-30, 0, 45, 60])
def test_label_offset_is_found(late_min: int) -> None:
    """Predictions with clouds in most afternoons, labels late by a known time."""
    step_min, days = 15, 40
    index = pd.date_range("2025-04-01", periods=days * 96, freq="15min", tz="UTC")
    place = {"latitude_deg": 38.0, "longitude_deg": 15.0, "altitude_m": 50.0}
    middle = index + pd.Timedelta(minutes=7.5)
    clear = clear_sky(middle, sun_path(middle, **place), **place).ghi_w_m2
    true_middle = middle - pd.Timedelta(minutes=late_min)
    truth = clear_sky(true_middle, sun_path(true_middle, **place), **place).ghi_w_m2
    generator = np.random.default_rng(0)
    cloud = np.repeat(np.clip(generator.normal(0.85, 0.3, days * 8), 0.1, 1.0), 12)
    cloudy = np.where((index.hour > 12) | (generator.random(days).repeat(96) < 0.5), cloud, 1.0)
    found = label_offset_min(truth * cloudy, clear, step_min=step_min)
    assert found == pytest.approx(late_min, abs=10)


def test_days_that_cannot_be_are_unknown() -> None:
    clear = np.tile(np.clip(np.sin(np.linspace(0, 2 * np.pi, 96)), 0, None) * 900, 3)
    ghi = clear * 0.5
    ghi[96:192] = 0.0
    ghi[200:203] = np.nan
    index = plausible_index(ghi, clear, steps_a_day=96)
    lit = clear > 20
    assert np.isnan(index[96:192]).all()
    assert np.isnan(index[200:203]).all()
    np.testing.assert_allclose(index[:96][lit[:96]], 0.5)
    thick = plausible_index(clear * 0.05, clear, steps_a_day=96)
    np.testing.assert_allclose(thick[lit], 0.05)


def test_depth_of_snow_comes_in_centimetres() -> None:
    run = fetch(body(json.dumps(document(snow_depth=[0.05] * 72)).encode()))
    assert isinstance(run, NwpRun)
    assert run.snow_cm is not None
    assert run.snow_cm.values[0] == pytest.approx(5.0)
