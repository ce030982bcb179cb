"""``mdc devices`` against a bench: probe, discover, watch, write, release, and what is wrong said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from controller.cli.main import app
from sites.errors import InputError
from sites.load import find_site
from tests.controller.devices.power.bench_site import EQUIPMENT, UNITS, Bench

RUN = CliRunner()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    opened = Bench.open()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A site file that lists the bench's equipment."""
    document = yaml.safe_load(find_site("container").read_text())
    address = f"tcp://127.0.0.1:{bench.server.ports[0]}"
    listed = [each.model_copy(update={"address": address, "unit": UNITS[each.name]}) for each in EQUIPMENT]
    document["devices"] = {
        "driver": "real",
        "equipment": [each.model_dump(mode="json", exclude_defaults=True) for each in listed],
    }
    file = tmp_path_factory.mktemp("bench") / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def test_probe_tells_what_every_device_is_and_tells(site: str) -> None:
    result = RUN.invoke(app, ["devices", "probe", site, "--format", "json"])
    assert result.exit_code == 0
    found = {each["name"]: each for each in json.loads(result.stdout)}
    assert set(found) == {each.name for each in EQUIPMENT}
    assert found["inverter"]["models"]["802"] == "battery"
    assert found["genset-1"]["values"]["phase"] == "off"
    assert "limit_kw" in found["pv-a"]["orders"]
    shown = RUN.invoke(app, ["devices", "probe", site, "bms"]).stdout
    assert "soc_frac" in shown


def test_discover_finds_sunspec_devices_among_others(bench: Bench) -> None:
    line = f"tcp://127.0.0.1:{bench.server.ports[0]}"
    units = f"{UNITS['pv-b']},{UNITS['tank']},99"
    result = RUN.invoke(app, ["devices", "discover", line, "--units", units, "--format", "json"])
    assert json.loads(result.stdout) == [
        {
            "unit": UNITS["pv-b"],
            "models": {
                "1": "common",
                "103": "inverter_three_phase",
                "120": "nameplate",
                "122": "status",
                "123": "controls",
            },
        }
    ]
    for bad in (["nowhere"], [line, "--units", "a-b"]):
        assert isinstance(RUN.invoke(app, ["devices", "discover", *bad]).exception, InputError)


def test_watch_writes_a_json_line_a_reading(site: str) -> None:
    result = RUN.invoke(app, ["devices", "watch", site, "tank", "--count", "2", "--every", "0.1"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["level_l"] for line in lines] == [3200.0, 3200.0]
    assert lines[0]["trouble"] == ""


def test_write_reads_back_and_release_gives_back(site: str, bench: Bench) -> None:
    result = RUN.invoke(app, ["devices", "write", site, "pv-a", "limit_kw", "50"])
    assert result.exit_code == 0
    assert "reads back 49.995" in result.stdout or "reads back 50" in result.stdout or "49.9" in result.stdout
    assert bench.plant.pv_limits_kw["pv-a"] == pytest.approx(50.0, rel=1e-3)
    assert RUN.invoke(app, ["devices", "write", site, "genset-1", "run", "on"]).exit_code == 0
    assert bench.plant.gensets["diesel-1"].run
    assert RUN.invoke(app, ["devices", "release", site, "pv-a"]).stdout == "pv-a: released\n"
    assert bench.plant.pv_limits_kw["pv-a"] == pytest.approx(330.0)


@pytest.mark.parametrize(
    ("order", "value", "why"),
    [("limit_kw", "-3", "no ceiling"), ("teleport", "1", "takes no order")],
)
def test_what_is_refused_is_said_and_ends_with_1(site: str, order: str, value: str, why: str) -> None:
    result = RUN.invoke(app, ["devices", "write", site, "pv-a", order, "--", value])
    assert result.exit_code == 1
    assert why in result.stderr


def test_a_device_that_is_not_there_is_bad_input(site: str) -> None:
    result = RUN.invoke(app, ["devices", "watch", site, "flux-capacitor"])
    assert isinstance(result.exception, InputError)
    assert "genset-1" in str(result.exception)


def test_check_tells_all_that_is_wrong_with_equipment_at_once(tmp_path: Path) -> None:
    document = yaml.safe_load(find_site("container").read_text())
    (tmp_path / "bad.yaml").write_text(
        "name: bad\nkind: tank\nsource: made up\npoints:\n  level_l: {address: 1, type: uint8, scale: 0, unit: L}\n"
    )
    line = {"driver": "register-map", "address": "tcp://127.0.0.1:1502"}
    document["devices"] = {
        "driver": "real",
        "equipment": [
            {"name": "t", "kind": "tank", "map": "bad.yaml", **line},
            {"name": "g", "kind": "genset", "of": "diesel-1", "map": "eastron-sdm630", **line},
            {"name": "u", "kind": "ups", "map": "no-such-map", **line},
        ],
    }
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    result = RUN.invoke(app, ["check", str(file)])
    assert isinstance(result.exception, InputError)
    places = {(fault.source, fault.field) for fault in result.exception.faults}
    assert places == {
        ("bad.yaml", "points.level_l.type"),
        ("bad.yaml", "points.level_l.scale"),
        ("site.yaml", "devices.equipment[1].kind"),
        ("no-such-map", ""),
    }
    document["devices"]["equipment"][1]["of"] = "diesel-9"
    document["devices"]["equipment"].append(document["devices"]["equipment"][0])
    file.write_text(yaml.safe_dump(document))
    result = RUN.invoke(app, ["check", str(file)])
    assert isinstance(result.exception, InputError)
    assert {fault.field for fault in result.exception.faults} == {"devices.equipment", "devices.equipment[1].of"}
