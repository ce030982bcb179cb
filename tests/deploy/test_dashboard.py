"""The dashboard: every query answered by a real Prometheus that scrapes what the console really tells."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.records.views import SiteNow
from controller.web.desk import Desk
from controller.web.metrics import CONTENT_TYPE, HELP, exposition
from tests.controller.web.container_day import container_day
from tests.deploy.test_deploy import DEPLOY, program
from tests.docs.shown import ROOT

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/site.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def told() -> bytes:
    """Return what the console tells at real time."""
    day = container_day()
    services = tuple(each.model_copy(update={"served_rps": each.rate_rps}) for each in day.snapshot.services)
    snapshot = day.snapshot.model_copy(update={"services": services})
    now = SiteNow(
        site=day.site.name,
        at_utc=day.snapshot.at_utc,
        level=day.plan.level,
        plan_id=None,
        speed=1.0,
        snapshot=snapshot,
        setpoints=None,
    )
    return exposition(Desk(site=day.site, store_ready=True, now=now), day.snapshot.at_utc + timedelta(seconds=1))


class _Metrics(BaseHTTPRequestHandler):
    words = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", CONTENT_TYPE)
        self.end_headers()
        self.wfile.write(self.words)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prometheus on the repository's own configuration, its target and pace apart."""
    folder = tmp_path_factory.mktemp("prometheus")
    _Metrics.words = told()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
    words = words.replace("127.0.0.1:8080", f"127.0.0.1:{server.server_port}").replace("10s", "1s")
    (folder / "prometheus.yml").write_text(words.replace("alerts.yaml", str(DEPLOY / "alerts.yaml")), encoding="utf-8")
    port = _free_port()
    command = [program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if answered(address, "mdc_store_readable"):
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
        server.server_close()


def answered(address: str, expression: str) -> list[dict[str, Any]]:
    """Return the samples that answer an expression now."""
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=5) as reply:
            found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
            return found
    except urllib.error.URLError:
        return []


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_every_query_is_answered(prometheus: str, title: str, expression: str) -> None:
    found = answered(prometheus, expression.replace("$site", "container"))
    assert found, f"{title}: {expression}"
    for sample in found:
        assert set(re.findall(r"\{\{(\w+)\}\}", _legend(title, expression))) <= set(sample["metric"])


def _legend(title: str, expression: str) -> str:
    panel = next(each for each in PANELS if each["title"] == title and expression in str(each["targets"]))
    return next(str(each["legendFormat"]) for each in panel["targets"] if each["expr"] == expression)


def test_the_alert_rules_are_loaded_by_it_and_quiet_at_a_healthy_site(prometheus: str) -> None:
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=5) as reply:
        rules = json.load(reply)["data"]["groups"][0]["rules"]
    assert len(rules) == (DEPLOY / "alerts.yaml").read_text(encoding="utf-8").count("alert:")
    assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []


def test_the_dashboard_shows_every_metric() -> None:
    named = set(re.findall(r"\bmdc_[a-z_]+", " ".join(expression for _, expression in QUERIES)))
    assert named == set(HELP)


def test_panels_have_units_places_and_one_source() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_provisioning_names_the_source_that_the_dashboard_asks() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8"))
    variable = next(each for each in DASHBOARD["templating"]["list"] if each["name"] == "datasource")
    assert [each["uid"] for each in sources["datasources"]] == [variable["current"]["value"]]
    boards = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/offgrid-mdc.yaml").read_text(encoding="utf-8"))
    path = boards["providers"][0]["options"]["path"]
    guide = (ROOT / "docs/how-to/run-it-as-a-service.md").read_text(encoding="utf-8")
    assert Path(path).is_absolute()
    assert path in guide
