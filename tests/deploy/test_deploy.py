"""The service unit and the alert rules, checked by the programs that read them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from controller.web.metrics import HELP
from tests.docs.shown import ROOT

DEPLOY = ROOT / "deploy"


def program(name: str) -> str:
    """Return a program's path, or skip the test; with ``CI=true`` fail it."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing")
        pytest.skip(f"{name} is missing")
    return found


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    words = (DEPLOY / "offgrid-mdc.service").read_text(encoding="utf-8")
    unit = tmp_path / "offgrid-mdc.service"
    unit.write_text(words.replace("/opt/offgrid-mdc/bin/mdc", "/bin/true").replace("User=offgrid-mdc", "User=root"))
    found = subprocess.run([verify, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if "offgrid-mdc" in line] == []
    lines = words.splitlines()
    assert {"Type=notify", "NotifyAccess=main", "ProtectSystem=strict"} <= set(lines)
    assert [line for line in lines if line.startswith("ExecReload=")] == [
        "ExecReload=/opt/offgrid-mdc/bin/mdc check /etc/offgrid-mdc/site.yaml",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ]


def test_prometheus_takes_the_configuration() -> None:
    config = DEPLOY / "prometheus.yml"
    checked = subprocess.run(
        [program("promtool"), "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_alert_rules_pass_promtool_and_name_metrics_that_are_told() -> None:
    rules = DEPLOY / "alerts.yaml"
    checked = subprocess.run(
        [program("promtool"), "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    named = set(re.findall(r"\bmdc_[a-z_]+", yaml.safe_dump(yaml.safe_load(rules.read_text(encoding="utf-8")))))
    assert named <= set(HELP)
