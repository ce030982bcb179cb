"""What gateways measured changes the menu that plans choose from, and what is no good changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from controller.devices.compute.serving.server_desk import rows_file
from controller.learned_speeds import lay_over_catalog, learned
from sites.load import find_site, load_site
from sites.schema.site import Site

TODAY = date(2026, 6, 1)
HEADER = "batch,itl_ms,power_w,prompt_tokens,ttft_ms\n"
SHOW = """
import os, sys
from datetime import date
from controller.capability import capability
from controller.learned_speeds import lay_over_catalog
from sites.load import load_site
site = load_site(sys.argv[1])
lay_over_catalog(site, os.environ, date(2026, 6, 1))
modes = [mode for menu in capability(site).menus.values() for mode in menu if mode.precision == "fp8"]
print(max(mode.rate_rps / mode.gpus for mode in modes if mode.gpus) if modes else 0.0)
"""


def served_site(folder: Path) -> Site:
    """Return a site whose first service is served here, with its file in the folder."""
    document = yaml.safe_load(find_site("cabinet").read_text())
    service = document["services"][0]
    document["devices"] = {
        "compute": {
            "serving": [
                {"service": service["name"], "listen": "127.0.0.1:8000", "admin_port": 9001, "command": ["serve"]}
            ],
            "serving_spool": str(folder),
        }
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    return load_site(str(file))


def write_rows(site: Site, folder: Path, itl_ms: list[float], batches: tuple[int, ...] = (1, 4, 8, 16)) -> None:
    service = site.services[0]
    lines = [f"{batch},{itl},{150 + 4 * batch},,\n" for batch, itl in zip(batches, itl_ms, strict=True)]
    lines += [f",,,{tokens},{tokens / 10}\n" for tokens in (100, 400, 1600)]
    gpu = next(pool for pool in site.pools if pool.name in service.pools)
    rows_file(folder, service.name, gpu.name, "fp8", 1).write_text(HEADER + "".join(lines))


def test_rows_become_fits_with_their_prompt_speed(tmp_path: Path) -> None:
    site = served_site(tmp_path)
    write_rows(site, tmp_path, [20.0, 23.0, 27.0, 35.0])
    (found,) = learned(site, tmp_path)
    assert found.fit.batch_max == 16
    assert 15.0 < found.fit.itl_base_ms < 25.0
    assert found.fit.prefill_frac is not None


@pytest.mark.parametrize(
    ("itl_ms", "batches"),
    [([20.0, 20.0, 21.0, 20.0], (1, 1, 2, 2)), ([5.0, 300.0, 4.0, 150.0], (1, 4, 8, 16))],
    ids=["two batches", "no line"],
)
def test_too_little_and_nonsense_teach_nothing(tmp_path: Path, itl_ms: list[float], batches: tuple[int, ...]) -> None:
    site = served_site(tmp_path)
    write_rows(site, tmp_path, itl_ms, batches)
    environment: dict[str, str] = {}
    assert lay_over_catalog(site, environment, TODAY) == ()
    assert environment == {}


def test_the_owners_own_catalogue_stays_beneath(tmp_path: Path) -> None:
    site = served_site(tmp_path)
    write_rows(site, tmp_path, [20.0, 23.0, 27.0, 35.0])
    owners = tmp_path / "owners"
    owners.mkdir()
    (owners / "sources.yaml").write_text(yaml.safe_dump({"mine": {"title": "t", "publisher": "p", "year": 2026}}))
    environment = {"MDC_CATALOG": str(owners)}
    lay_over_catalog(site, environment, TODAY)
    merged = yaml.safe_load((Path(environment["MDC_CATALOG"]) / "sources.yaml").read_text())
    assert set(merged) == {"mine", "own-measurement"}


def test_servers_are_planned_as_fast_as_they_were_measured(tmp_path: Path) -> None:
    site = served_site(tmp_path)

    def rate_rps() -> float:
        """Return the highest rate a GPU in the worker's menu: a process of its own, as the worker is."""
        command = [sys.executable, "-c", SHOW, str(tmp_path / "site.yaml")]
        environment = {key: value for key, value in os.environ.items() if key != "MDC_CATALOG"}
        return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)

    as_catalogued_rps = rate_rps()
    write_rows(site, tmp_path, [6.0, 6.5, 7.0, 9.0])
    fast_rps = rate_rps()
    write_rows(site, tmp_path, [26.0, 30.0, 37.0, 52.0])
    slow_rps = rate_rps()
    assert slow_rps < as_catalogued_rps < fast_rps
