"""``mdc advise``, ``mdc catalog`` and ``mdc calibrate`` at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli import main as cli
from sites.catalog.load import load_catalog

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


def test_advice_as_one_json_document(mdc: Mdc) -> None:
    code, out, err = mdc("advise", "voice-agent", "--rate", "5", "--format", "json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["recommended"] == answer["candidates"][0]["gpu"]
    assert {each["gpu"] for each in answer["candidates"]} == set(load_catalog().gpus)
    assert all(each["reason"] for each in answer["candidates"])
    assert answer["candidates"][0]["way"]["energy_wh_per_request"] > 0.0


def test_advice_for_people_names_losers_and_the_off_site_answer(mdc: Mdc) -> None:
    code, out, _ = mdc("advise", "chat-405b", "--gpu", "h100-sxm5", "--gpu", "l40s", "--gpu", "h100-pcie")
    assert code == 0
    assert "does-not-fit" in out
    assert "needs-nvlink" in out
    assert "off-site or shared service" in out
    assert out.index("h100-sxm5") < out.index("cannot:")


def test_advice_without_an_archetype(mdc: Mdc) -> None:
    code, out, _ = mdc(
        "advise", "--model", "llm-8b", "--rate", "1", "--p99", "8", "--input-tokens", "500", "--output-tokens", "100",
        "--precision", "fp8", "--rank", "energy", "--ambient-c", "30", "--envelope-kw", "3",
    )  # fmt: skip
    assert code == 0
    assert "USD/M tokens" in out


def test_a_sites_own_pools_are_asked(mdc: Mdc) -> None:
    _, out, _ = mdc("advise", "document-question", "--site", "container", "--format", "json")
    assert {each["name"] for each in json.loads(out)["candidates"]} == {"h100", "l40s"}


def test_nothing_fits_is_exit_3_with_the_nearest(mdc: Mdc) -> None:
    code, out, _ = mdc("advise", "document-question", "--rate", "5000", "--format", "json")
    answer = json.loads(out)
    assert code == 3
    assert answer["recommended"] is None
    assert answer["nearest_feasible"]


def test_a_rate_far_beyond_reach_is_told_with_one_within(mdc: Mdc) -> None:
    code, out, _ = mdc("advise", "chat-70b", "--rate", "1e9", "--format", "json")
    assert code == 3
    assert any("/s instead of 1e+09/s" in each for each in json.loads(out)["nearest_feasible"])
    code, out, _ = mdc("advise", "chat-70b", "--rate", "1e9", "--envelope-kw", "0.1", "--format", "json")
    assert code == 3
    assert "without the envelope" in json.loads(out)["nearest_feasible"][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("advise", "no-such"), "no such archetype"),
        (("advise", "--rate", "1"), "name an archetype, or give --model"),
        (("advise", "chat-70b", "--model", "nonsense"), "no such model"),
        (("advise", "chat-70b", "--precision", "fp5"), "take one of fp16"),
        (("advise", "chat-70b", "--limit-w", "9000"), "nearest settable"),
        (("advise", "chat-70b", "--gpu", "l40x"), "nearest are l40s"),
        (("advise", "chat-70b", "--rank", "beauty"), "take one of cost"),
        (("advise", "chat-70b", "--rate", "-1"), "above 0"),
        (("advise", "chat-70b", "--input-tokens", "-4"), "input_tokens"),
        (("advise", "chat-70b", "--output-tokens", "nan"), "output_tokens"),
        (("advise", "--model", "llama-8b", "--rate", "1", "--p99", "5"), "output_tokens"),
        (("advise", "hft", "--model", "llama-8b"), "output_tokens"),
        (("advise", "robot-vision", "--units", "0"), "units"),
        (("advise", "chat-70b", "--envelope-kw", "0"), "envelope"),
        (("advise", "chat-70b", "--envelope-kw", "nan"), "envelope"),
        (("advise", "chat-70b", "--ambient-c", "nan"), "ambient"),
        (("advise", "chat-70b", "--energy-usd-per-kwh", "inf"), "energy price"),
        (("advise", "chat-70b", "--gpu", "l40s", "--site", "container"), "either"),
        (("catalog", "gpu"), "take one of gpus"),
        (("catalog", "gpus", "h101"), "no such GPU"),
        (("calibrate", "--twin"), "name the GPU"),
        (("calibrate", "--gpu", "l40s"), "give a CSV, or --live, or --twin"),
        (("calibrate", "--gpu", "l40s", "--live"), "--i-own-this-gpu"),
        (("calibrate", "none.csv", "--gpu", "l40s"), "no such file"),
        (("calibrate", "--twin", "--gpu", "l40s", "--profile", "x"), "take one of decode"),
    ],
)
def test_bad_input_is_exit_2_with_a_mend(mdc: Mdc, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = mdc(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("section", ["gpus", "models", "archetypes", "curves", "precisions", "sources"])
def test_every_section_of_the_catalogue_is_shown(mdc: Mdc, section: str) -> None:
    code, out, _ = mdc("catalog", section, "--format", "json")
    assert code == 0
    assert set(json.loads(out)) == set(getattr(load_catalog(), section))
    code, out, _ = mdc("catalog", section)
    assert code == 0
    assert len(out.splitlines()) == len(getattr(load_catalog(), section))


def test_a_figure_is_shown_with_kind_and_source(mdc: Mdc) -> None:
    _, out, _ = mdc("catalog", "gpus", "h100-pcie")
    line = next(each for each in out.splitlines() if "default_limit_w" in each)
    assert "310" in line
    assert "measured" in line
    assert "Dynamo" in line


def test_a_sweep_becomes_a_catalogue_folder(mdc: Mdc, tmp_path: Path) -> None:
    table = tmp_path / "sweep.csv"
    rows = "".join(f"{w},{1000 * (w / 340) ** 0.6:.1f},{min(w, 340)}\n" for w in (150, 200, 250, 300, 350))
    table.write_text("limit_w,throughput,power_w\n" + rows, encoding="utf-8")
    out = tmp_path / "own"
    code, printed, err = mdc(
        "calibrate", str(table), "--gpu", "l40s", "--profile", "vision", "--out", str(out), "--format", "json"
    )
    assert code == 0
    assert json.loads(printed)["sweep"]["rmse"] < 0.05
    assert "MDC_CATALOG" in err
    known = load_catalog(out)
    assert known.gpu_curves["l40s"]["vision"].exponent.kind == "measured"


def test_a_table_that_cannot_be_used_is_exit_2(mdc: Mdc, tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    falling = tmp_path / "falling.csv"
    falling.write_text("limit_w,throughput,power_w\n200,20,200\n250,15,250\n300,10,300\n", encoding="utf-8")
    for path, said in ((binary, "no text"), (tmp_path, "no such file"), (falling, "does not fall with the limit")):
        code, out, err = mdc("calibrate", str(path), "--gpu", "l40s", "--profile", "vision")
        assert (code, out) == (2, "")
        assert said in err


def test_the_twin_says_that_no_gpu_was_touched(mdc: Mdc) -> None:
    code, out, err = mdc("calibrate", "--twin", "--gpu", "h100-pcie", "--format", "json")
    assert code == 0
    assert "no GPU was touched" in err
    assert json.loads(out)["sweep"]["rmse"] < 0.01
