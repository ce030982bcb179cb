"""Reads the catalogue once, checks it, and finds entries by name or alias.

Sources are the YAML files beside this module. A user's own folder of files with the same names may be laid
over them (``overlay``)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from sites.catalog.records import Archetype, Catalog, Figure, GpuEntry, ItemEntry, LlmEntry, MeasuredDecode
from sites.errors import InputError, InputFault, shorten
from sites.record import Record

_SECTIONS = (
    "sources",
    "precisions",
    "curves",
    "gpu_curves",
    "gpus",
    "models",
    "archetypes",
    "decode_fits",
    "item_fits",
)
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


OVERLAY_VARIABLE = "MDC_CATALOG"
"""Environment variable that names a folder laid over the catalogue, as ``mdc calibrate --out`` writes it."""


def load_catalog(overlay: Path | None = None) -> Catalog:
    """Return the catalogue, with the files of a folder laid over it entry by entry.

    The folder is ``overlay``, else the one that ``MDC_CATALOG`` names, else none. It is read once.

    Raises:
        InputError: every fault of every file at once.
    """
    named = os.environ.get(OVERLAY_VARIABLE)
    return _load(overlay or (Path(named) if named else None))


@lru_cache(maxsize=4)
def _load(overlay: Path | None) -> Catalog:
    if overlay is not None and not overlay.is_dir():
        raise InputError.single(
            source=OVERLAY_VARIABLE, field="", found=str(overlay), mend="name a folder with catalogue files"
        )
    here = Path(__file__).parent
    merged: dict[str, dict[str, object]] = {}
    for section in _SECTIONS:
        entries: dict[str, object] = {}
        for folder in (here, overlay):
            path = folder / f"{section}.yaml" if folder else None
            if path is not None and path.exists():
                _lay_over(entries, _read(path), section)
        merged[section] = entries
    try:
        catalog = Catalog.model_validate(merged)
    except ValidationError as error:
        raise InputError(
            InputFault(
                source=f"catalog {fault['loc'][0]}.yaml",
                field=".".join(str(part) for part in fault["loc"][1:]),
                found=shorten(fault["input"]),
                mend=fault["msg"],
            )
            for fault in error.errors()
        ) from None
    _check_sources(catalog)
    return catalog


def gpu_id(name: str, catalog: Catalog | None = None) -> str:
    """Return the catalogue key of a GPU named by key, alias or product name.

    Raises:
        InputError: no such GPU; the nearest names are given.
    """
    known = (catalog or load_catalog()).gpus
    return _find(name, known, "GPU")


def model_id(name: str, catalog: Catalog | None = None) -> str:
    """Return the catalogue key of a model named by key, alias or full name.

    Raises:
        InputError: no such model; the nearest names are given.
    """
    known = (catalog or load_catalog()).models
    return _find(name, known, "model")


def gpu(name: str, catalog: Catalog | None = None) -> GpuEntry:
    """Return a GPU by key, alias or product name; raises ``InputError`` as ``gpu_id``."""
    known = catalog or load_catalog()
    return known.gpus[gpu_id(name, known)]


def model(name: str, catalog: Catalog | None = None) -> LlmEntry | ItemEntry:
    """Return a model by key, alias or full name; raises ``InputError`` as ``model_id``."""
    known = catalog or load_catalog()
    return known.models[model_id(name, known)]


def archetype(name: str, catalog: Catalog | None = None) -> Archetype:
    """Return a workload archetype by key.

    Raises:
        InputError: no such archetype; the known ones are given.
    """
    known = (catalog or load_catalog()).archetypes
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or sorted(known)
        raise InputError.single(
            source="catalog",
            field="archetype",
            found=name,
            mend=f"no such archetype; nearest are {', '.join(nearest)}",
        )
    return known[name]


def figures(entry: Record) -> Iterable[tuple[str, Figure]]:
    """Yield the dotted field name and figure of every figure in ``entry``."""
    for field in type(entry).model_fields:
        yield from _figures_in(field, getattr(entry, field))


def _figures_in(place: str, value: object) -> Iterable[tuple[str, Figure]]:
    if isinstance(value, Figure):
        yield place, value


def _find(name: str, known: dict[str, GpuEntry] | dict[str, LlmEntry | ItemEntry], what: str) -> str:
    wanted = name.strip().lower()
    for key, entry in known.items():
        names = (key, entry.name, *entry.aliases)
        if wanted in {each.lower() for each in names}:
            return key
    nearest = difflib.get_close_matches(wanted, known, n=3, cutoff=0.3) or sorted(known)[:5]
    raise InputError.single(
        source="catalog", field=what, found=name, mend=f"no such {what}; nearest are {', '.join(nearest)}"
    )


def _read(path: Path) -> dict[str, object]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.YAMLError as error:
        raise InputError.single(source=str(path), field="", found=str(error), mend="mend the YAML") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError.single(source=str(path), field="", found=type(data).__name__, mend="entries by name")
    return {str(key): value for key, value in data.items()}


def laid_over(old: str, new: str, path: Path) -> str:
    """Return the YAML text of a catalogue file with the entries of ``new`` laid over those of ``old``."""
    entries = {str(key): value for key, value in (yaml.load(old, Loader=_LOADER) or {}).items()}
    _lay_over(entries, yaml.load(new, Loader=_LOADER) or {}, path.stem)
    return yaml.safe_dump(entries, sort_keys=False, width=200)


def _lay_over(entries: dict[str, object], new: dict[str, object], section: str) -> None:
    """Lay new entries over old ones; of sections that hold several per name, the new ones go before the old."""
    for key, value in new.items():
        old = entries.get(key)
        if section == "gpu_curves" and isinstance(old, dict) and isinstance(value, dict):
            entries[key] = {**old, **value}
        elif section in ("decode_fits", "item_fits") and isinstance(old, list) and isinstance(value, list):
            entries[key] = [*value, *old]
        else:
            entries[key] = value


def _check_sources(catalog: Catalog) -> None:
    faults = []
    for section, key, entry in _entries(catalog):
        named = [(field, figure.source) for field, figure in figures(entry)]
        if isinstance(entry, MeasuredDecode):
            named.append(("source", entry.source))
        faults += [
            InputFault(
                source=f"catalog {section}.yaml",
                field=f"{key}.{field}",
                found=shorten(source),
                mend="name a key of sources.yaml",
            )
            for field, source in named
            if source not in catalog.sources
        ]
    if faults:
        raise InputError(faults)


def _entries(catalog: Catalog) -> Iterable[tuple[str, str, Record]]:
    yield from (("gpus", key, entry) for key, entry in catalog.gpus.items())
    yield from (("models", key, entry) for key, entry in catalog.models.items())
    for key, archetype in catalog.archetypes.items():
        yield "archetypes", key, archetype
        yield from (("archetypes", f"{key}.{stage.name}", stage) for stage in archetype.stages)
    yield from (("curves", key, entry) for key, entry in catalog.curves.items())
    yield from (("precisions", key, entry) for key, entry in catalog.precisions.items())
    for key, shapes in catalog.gpu_curves.items():
        yield from (("gpu_curves", f"{key}.{name}", shape) for name, shape in shapes.items())
    for key, decodes in catalog.decode_fits.items():
        yield from (("decode_fits", f"{key}[{i}]", fit) for i, fit in enumerate(decodes))
    for key, items in catalog.item_fits.items():
        yield from (("item_fits", f"{key}[{i}]", fit) for i, fit in enumerate(items))
