"""A store with a measured day, read once."""

from __future__ import annotations

import pytest

from controller.records.reading import Reader
from controller.records.views import StoredPlan
from tests.controller.reports.measured_day import store_with_measured_day


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, StoredPlan]:
    """Address of the store, and its plan."""
    url = store_with_measured_day(tmp_path_factory.mktemp("measured"))
    with Reader(url, "container") as reader:
        stored = reader.latest_plan()
    assert stored is not None
    return url, stored
