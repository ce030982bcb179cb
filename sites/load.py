"""Reading a site file: YAML to a frozen :class:`~sites.schema.site.Site`, or every fault of the file at once."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sites.errors import InputError, InputFault, shorten
from sites.names import name_faults
from sites.schema.site import Site


def load_site(path: Path | str) -> Site:
    """Read and check a site file.

    Args:
        path: a YAML file, or the bare name of an example that ships with the program.

    Raises:
        InputError: with all faults of the file: unreadable, not YAML, unknown or missing fields, values outside
            their range, names that repeat or point nowhere.
    """
    file = find_site(path)
    return parse_site(file.read_text(encoding="utf-8"), source=file.name)


def find_site(path: Path | str) -> Path:
    """Return the file meant by a path or by the name of an example site.

    Raises:
        InputError: neither a file nor an example.
    """
    file = Path(path)
    if file.is_file():
        return file
    example = _examples() / f"{path}.yaml"
    if example.is_file():
        return example
    known = ", ".join(example_names())
    raise InputError.single(
        source=str(path), field="", found="no such file", mend=f"give a site file or one of: {known}"
    )


def example_names() -> tuple[str, ...]:
    """Return the names of the example sites."""
    return tuple(sorted(each.stem for each in _examples().glob("*.yaml")))


def _examples() -> Path:
    return Path(str(resources.files("sites"))) / "examples"


def parse_site(text: str, *, source: str) -> Site:
    """Parse and check the text of a site file; ``source`` names it in faults.

    Raises:
        InputError: with all faults at once.
    """
    document = parse_yaml(text, source=source)
    names = list(name_faults(document, source))
    try:
        site = Site.model_validate(document)
    except ValidationError as error:
        raise InputError([*validation_faults(error, source=source), *names]) from error
    faults = [*names, *site.cross_faults(source)]
    if faults:
        raise InputError(faults)
    return site


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice instead of silently keeping the last."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=deep)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is written twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_yaml(text: str, *, source: str) -> Any:
    """Return the YAML document.

    Raises:
        InputError: not YAML, or a key written twice; the line is named.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        found = getattr(error, "problem", None) or "unreadable text"
        raise InputError([InputFault(source=source, field=place, found=str(found), mend="write valid YAML")]) from error


def validation_faults(error: ValidationError, *, source: str) -> list[InputFault]:
    """Return pydantic's findings as faults with dotted field paths.

    A list that is too short only because its entries have faults of their own is not one more fault.
    """
    items = error.errors(include_url=False)
    places = [item["loc"] for item in items]
    return [
        InputFault(
            source=source,
            field=field_path(item["loc"]),
            found=shorten(item["input"]) if item["type"] != "missing" else "nothing",
            mend=_mend(item["type"], item["msg"]),
        )
        for item in items
        if not (item["type"] == "too_short" and any(each[: len(item["loc"])] == item["loc"] != each for each in places))
    ]


def field_path(location: tuple[int | str, ...]) -> str:
    """Return ``gensets[0].rating_kw`` for ``("gensets", 0, "rating_kw")``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _mend(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field here; remove it or mend its spelling"
    if kind == "missing":
        return "this field is needed"
    if kind == "string_type":
        return "write text in quotes: YAML reads 22:00 or no unquoted as a number or a truth value"
    return message.removeprefix("Value error, ")
