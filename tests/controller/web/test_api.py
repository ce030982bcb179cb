"""The machine-readable twins of the page, health, and errors."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from controller.records.views import StoredPlan
from controller.reports.gather import PeriodReport
from optimizer.plan import Plan
from tests.controller.web.conftest import Visit
from tests.controller.web.container_day import container_day


def test_now_is_the_last_cycle_with_open_alarms(visit: Visit, day_store: str) -> None:
    body = visit(day_store).get("/v1/now").json()
    assert body["at_utc"] == "2025-01-15T17:04:10Z"
    assert body["snapshot"]["battery"]["soc_frac"] == 0.587
    assert [alarm["code"] for alarm in body["alarms"]] == ["SENSOR_LOST"]


def test_the_plan_is_the_document_that_was_stored(visit: Visit, day_store: str) -> None:
    body = visit(day_store).get("/v1/plan").json()
    assert body["followed"] is True
    assert Plan.model_validate(body["plan"]) == container_day().plan


@pytest.mark.parametrize("path", ["/v1/now", "/v1/plan", "/v1/nowhere"])
def test_errors_are_problem_documents(visit: Visit, empty_store: str, path: str) -> None:
    answer = visit(empty_store).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["instance"] == path


def test_a_page_that_is_not_there_leads_back(visit: Visit, day_store: str) -> None:
    answer = visit(day_store).get("/nowhere")
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_health_speaks_for_the_console_not_for_the_site(visit: Visit, empty_store: str, day_store: str) -> None:
    assert visit(empty_store).get("/healthz").json() == {
        "status": "ok", "store_ready": False, "store_readable": True, "newest_cycle_utc": None,
    }  # fmt: skip
    assert visit(day_store).get("/healthz").json()["newest_cycle_utc"] == "2025-01-15T17:04:10+00:00"


def test_a_damaged_store_is_not_ready_and_no_crash(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "damaged.sqlite"
    file.write_bytes(b"this is no database, but it is long enough to be looked at" * 40)
    client = visit(f"sqlite:///{file}")
    assert client.get("/healthz").json()["store_ready"] is False
    assert client.get("/").status_code == 200


def test_jobs_days_and_alarms_have_documents(visit: Visit, measured: tuple[str, StoredPlan]) -> None:
    client = visit(measured[0])
    jobs = client.get("/v1/jobs", params={"state": "done"}).json()["jobs"]
    assert {job["name"] for job in jobs} == {"fine-tuning-0114-2", "satellite-tiles-0115-1"}
    assert [e["event"] for e in client.get(f"/v1/jobs/{jobs[0]['name']}").json()["events"]] == ["submitted", "done"]
    day = PeriodReport.model_validate(client.get("/v1/days/2025-01-15").json())
    assert day.energy.measured_h == pytest.approx(24.0)
    assert client.get("/v1/alarms").json()["alarms"][0]["code"] == "SENSOR_LOST"


def test_the_description_names_every_address_and_answers_match_it(
    visit: Visit, measured: tuple[str, StoredPlan]
) -> None:
    client = visit(measured[0])
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    asked_with_others = {"/v1/previews/{id}", "/v1/events"}
    for path, operations in described["paths"].items():
        if "get" not in operations or path in asked_with_others:
            continue
        address = path.replace("{name}", "fine-tuning-0114-2").replace("{day}", "2025-01-15").replace("{id}", "a" * 32)
        answer = client.get(address)
        assert answer.status_code == 200, address
        content = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**content, "components": described["components"]})
