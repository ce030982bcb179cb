"""The schemas in the docs are those of the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from controller.schemas import schemas
from sites.load import find_site, parse_yaml

DOCS = Path(__file__).resolve().parents[2] / "docs" / "schema"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schema_in_the_docs_is_the_codes(name: str) -> None:
    assert json.loads((DOCS / name).read_text(encoding="utf-8")) == schemas()[name], "run: make schema"


@pytest.mark.parametrize("example", ["container", "cabinet", "clinic", "cell-tower", "jetson-box"])
def test_example_sites_pass_the_exported_schema(example: str) -> None:
    document = parse_yaml(find_site(example).read_text(encoding="utf-8"), source=example)
    jsonschema.validate(json.loads(json.dumps(document)), schemas()["site.schema.json"])
