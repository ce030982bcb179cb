"""Problems and plans as JSON documents.

A problem with missing numbers (null or NaN) is read all the same: the holes stay holes, and the ladder mends or refuses them
with the reason. Anything else that is wrong is told at once, with file, field and mend.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from optimizer.problem import Problem
from sites.errors import InputError, InputFault, shorten

HOLES = frozenset({"finite_number", "float_type"})
Place = tuple[int | str, ...]


def read_problem(path: Path) -> Problem:
    """Return the problem in a JSON file.

    Raises:
        InputError: no such file, no JSON, or fields that cannot be used; all of them at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.single(
            source=str(path), field="", found=_why_not(error), mend="name a readable JSON file"
        ) from error
    return parse_problem(text, source=str(path))


def _why_not(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read, in plain words."""
    return "no text" if isinstance(error, UnicodeDecodeError) else (error.strerror or type(error).__name__).lower()


def parse_problem(text: str, *, source: str) -> Problem:
    """Return the problem in a JSON text.

    Raises:
        InputError: no JSON, or fields that cannot be used; all of them at once.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError.single(source=source, field="", found=str(error), mend="write one JSON document") from error
    if not isinstance(data, dict):
        raise InputError.single(source=source, field="", found=data, mend="write a problem: a JSON object")
    holes: list[Place] = []
    try:
        problem = Problem.model_validate(data)
    except ValidationError as error:
        holes = [one["loc"] for one in error.errors() if one["type"] in HOLES and missing_at(data, one["loc"])]
        for place in holes:
            put(data, place, 0.0)
        problem = _validated(data, source)
    for place in holes:
        problem = with_hole(problem, place)
    return problem


def _validated(data: dict[str, Any], source: str) -> Problem:
    try:
        return Problem.model_validate(data)
    except ValidationError as error:
        raise InputError(
            InputFault(source=source, field=field_path(one["loc"]), found=shorten(one["input"]), mend=one["msg"])
            for one in error.errors()
        ) from error


def field_path(place: Place) -> str:
    """Return a place in a document as a person writes it, e.g. ``gensets[0].max_kw``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def missing_at(data: Any, place: Place) -> bool:
    """Return whether a document holds null or NaN at a place."""
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return data is None or (isinstance(data, float) and not math.isfinite(data))


def put(data: Any, place: Place, value: float) -> None:
    """Put a number at a place of a document."""
    for part in place[:-1]:
        data = data[part]
    data[place[-1]] = value


def with_hole(record: Any, place: Place) -> Any:
    """Return a record, or a tuple of them, with NaN at a place."""
    if not place:
        return math.nan
    head, rest = place[0], place[1:]
    if isinstance(record, BaseModel):
        return record.model_copy(update={str(head): with_hole(getattr(record, str(head)), rest)})
    return tuple(with_hole(part, rest) if index == head else part for index, part in enumerate(record))
