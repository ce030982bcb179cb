"""Bad input at the command line: exit code 2, a line that names source, field and mend, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli import main as cli
from sites.load import find_site

Mdc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mdc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mdc:
    """Run the command line in this process and return exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mdc", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


def spoiled(folder: Path, old: str, new: str) -> Path:
    """Write the container's site file with one change."""
    text = find_site("container").read_text(encoding="utf-8")
    assert old in text
    file = folder / "site.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "field", "mend"),
    [
        ("kwp: 400", "peak: 400", "pv.arrays[0].peak", "no such field"),
        ("capacity_kwh: 1200", "capacity_kwh: -1200", "battery.capacity_kwh", "greater than 0"),
        ("level_l: 3200", "level_l: 4200", "tank", "exceeds capacity_l 4000"),
        ("name: diesel-2", "name: diesel-1", "gensets", "give each its own name"),
        ("gpu: h100-pcie", "gpu: h100-pci", "pools", "h100-pcie"),
    ],
)
def test_a_bad_site_file(mdc: Mdc, tmp_path: Path, old: str, new: str, field: str, mend: str) -> None:
    file = spoiled(tmp_path, old, new)
    code, out, err = mdc("check", str(file))
    assert (code, out) == (2, "")
    assert "site.yaml" in err
    assert field in err
    assert mend in err
    assert list(tmp_path.iterdir()) == [file]


def job(**changes: object) -> dict[str, object]:
    return {
        "name": "scan",
        "profile": "vision",
        "pools": [{"pool": "l40s", "speed": 1.0}],
        "work_gpu_h": 2,
        "gpus_max": 4,
        "release_utc": "2025-01-13T05:00:00Z",
        "deadline_utc": "2025-01-13T15:00:00Z",
        "value_usd": 5,
    } | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"deadline_utc": "2025-01-13T04:00:00Z"}, "deadline_utc is not after release_utc"),
        ({"work_gpu_h": -1}, "work_gpu_h"),
        ({"pools": [{"pool": "h300", "speed": 1.0}]}, "h100, l40s"),
        ({"gpus_max": 100, "gpus_min": 90}, "64 GPUs"),
        ({"release_utc": "2025-11-02T01:30"}, "happens twice"),
        ({"owner": "me"}, "no such field"),
    ],
)
def test_a_bad_job_file(mdc: Mdc, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([job(), job(name="other", **changes)]), encoding="utf-8")
    code, out, err = mdc("simulate", "container", "--jobs", str(file), "--days", "0.1", "--policy", "rules")
    assert (code, out) == (2, "")
    assert "jobs.json" in err
    assert words in err


def test_weather_with_a_hole(mdc: Mdc, tmp_path: Path) -> None:
    rows = [f"2025-01-{day:02d}T{hour:02d}:00:00Z,100,200,50,5,2" for day in range(1, 29) for hour in range(24)]
    rows[30] = rows[30].replace(",100,", ",,")
    file = tmp_path / "weather.csv"
    file.write_text("time,ghi_w_m2,dni_w_m2,dhi_w_m2,temp_air_c,wind_m_s\n" + "\n".join(rows), encoding="utf-8")
    code, out, err = mdc("simulate", "container", "--weather", str(file), "--days", "0.1", "--policy", "rules")
    assert (code, out) == (2, "")
    assert "weather.csv" in err
    assert "ghi_w_m2" in err


def test_a_local_time_that_happens_twice(mdc: Mdc) -> None:
    code, out, err = mdc("simulate", "container", "--start", "2025-11-02T01:30")
    assert (code, out) == (2, "")
    assert "happens twice in America/New_York" in err


def test_an_unknown_policy_lists_those_there_are(mdc: Mdc) -> None:
    code, out, err = mdc("simulate", "container", "--policy", "magic")
    assert (code, out) == (2, "")
    assert "planner" in err


def test_a_good_file_is_summed_up(mdc: Mdc) -> None:
    code, out, err = mdc("check", "container")
    assert (code, err) == (0, "")
    assert "600 kWp PV, 1200 kWh battery" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ""),
        (("forecast",), ""),
        (("advise", "--nonsense"), "No such option: --nonsense"),
        (("advise", "hft", "--gpus-max", "0"), "greater than or equal to 1"),
        (("advise", "hft", "--format", "xml"), "json"),
        (("no-such-command",), "No such command"),
    ],
)
def test_a_bad_command_line_is_exit_2_and_no_failure(mdc: Mdc, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = mdc(*arguments)
    assert code == 2
    assert said in err
    assert "failed" not in err


@pytest.mark.parametrize("moment", ["2025-01-14T06:03", "2024-02-29T23:59"])
def test_a_plan_can_begin_at_any_minute(mdc: Mdc, moment: str) -> None:
    code, out, err = mdc("plan", "jetson-box", "--at", moment, "--policy", "rules", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["site"] == "jetson-box"
