"""The JSON Schemas that other programs may rely on: site file, planning problem, plan, simulation result.

``python -m controller.schemas FOLDER`` writes them; a test holds those in ``docs/schema`` in step with the code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from optimizer.plan import Plan
from optimizer.problem import Problem
from sites.schema.site import Site


def schemas() -> dict[str, dict[str, Any]]:
    """Return each schema by its file name."""
    from controller.studies.result import PolicyResult

    models: dict[str, type[BaseModel]] = {
        "site.schema.json": Site,
        "problem.schema.json": Problem,
        "plan.schema.json": Plan,
        "simulate.schema.json": PolicyResult,
    }
    return {name: model.model_json_schema() for name, model in models.items()}


def write_schemas(folder: Path) -> None:
    """Write every schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / name).write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
