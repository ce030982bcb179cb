"""Where measured data and reference cases that are not part of the repository are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_path(name: str) -> Path:
    """Return the path of a shared file, or skip the test that asked, saying why."""
    root = Path(os.environ.get("MDC_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    path = root / name
    if not path.exists():
        pytest.skip(f"{name} is not here; set MDC_SHARED to the folder that holds the reference data")
    return path
