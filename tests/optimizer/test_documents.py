"""Problems as documents: holes stay holes, everything else that is wrong is told at once."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.planner_problems import START, container_problem
from optimizer.documents import parse_problem, read_problem
from optimizer.ladder import answer
from sites.errors import InputError
from sites.times import uniform_grid


def _document() -> dict[str, object]:
    problem = container_problem(3, jobs=2, grid=uniform_grid(START, hours=1.0, steps=6))
    found: dict[str, object] = json.loads(problem.model_dump_json())
    return found


def test_a_whole_document_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(_document()), encoding="utf-8")
    assert json.loads(read_problem(path).model_dump_json()) == _document()


@pytest.mark.parametrize("hole", [None, math.nan])
def test_missing_numbers_are_read_and_mended(hole: float | None) -> None:
    document = _document()
    document["pv_available_kw"][2] = hole  # type: ignore[index]
    document["battery"]["soc_frac"] = hole  # type: ignore[index]
    problem = parse_problem(json.dumps(document), source="problem.json")
    assert math.isnan(problem.pv_available_kw[2])
    told = {breach.what for breach in answer(problem).breaches if breach.reason_code == "SENSOR_LOST"}
    assert told == {"pv_available_kw", "battery.soc_frac"}


def test_all_faults_are_told_with_field_and_mend() -> None:
    document = _document()
    document["gensets"][0]["max_kw"] = -3.0  # type: ignore[index]
    document["surprise"] = 1
    with pytest.raises(InputError) as caught:
        parse_problem(json.dumps(document), source="problem.json")
    fields = {fault.field for fault in caught.value.faults}
    assert {"gensets[0].max_kw", "surprise"} <= fields


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_no_problem_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        parse_problem(text, source="problem.json")
