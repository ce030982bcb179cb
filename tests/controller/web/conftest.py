"""A console over a store, in each of the states that a visitor may find it in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.records.reading import Reader
from controller.records.views import StoredPlan
from controller.web.app import make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from sites.load import load_site
from sites.ports import SystemClock
from tests.controller.reports.measured_day import store_with_measured_day
from tests.controller.web.container_day import store_with_day

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using `httpx` with")
    from starlette.testclient import TestClient

Visit = Callable[[str], TestClient]


@pytest.fixture(scope="session")
def day_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a store that holds a day of the container; only read."""
    return store_with_day(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, StoredPlan]:
    """Address of a store with a whole measured day, and its plan."""
    url = store_with_measured_day(tmp_path_factory.mktemp("measured"))
    with Reader(url, "container") as reader:
        stored = reader.latest_plan()
    assert stored is not None
    return url, stored


@pytest.fixture
def visit() -> Iterator[Visit]:
    """A function that opens the console over a store."""
    readers = []

    def open_console(url: str) -> TestClient:
        reader = DeskReader(url, load_site("container"), SystemClock())
        readers.append(reader)
        gate = Gate(url, "container", SystemClock(), local=True)
        readers.append(gate)
        return TestClient(make_app(reader, gate))

    yield open_console
    for reader in readers:
        reader.close()


@pytest.fixture
def empty_store(tmp_path: Path) -> str:
    """Address of a store that is not there yet."""
    return f"sqlite:///{tmp_path / 'none.sqlite'}"
