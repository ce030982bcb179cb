"""Names in a site file: which repeat, which point nowhere. Works on the raw document, so that these faults are reported
together with those of single fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sites.errors import InputFault, shorten

NAMED_LISTS = (
    "pv.arrays",
    "pv.inverters",
    "gensets",
    "tiers",
    "pools",
    "services",
    "chains",
    "batch",
    "weather.predictions",
)


def name_faults(document: Any, source: str) -> Iterator[InputFault]:
    """Yield a fault for each name that repeats or points nowhere; whatever is malformed otherwise is passed over."""
    names = {field: _names(_at(document, field)) for field in NAMED_LISTS}
    for field, found in names.items():
        for name, count in Counter(found).items():
            if count > 1:
                yield InputFault(
                    source=source, field=field, found=f"{name!r} {count} times", mend="give each its own name"
                )
    known = {
        "inverter": set(names["pv.inverters"]),
        "pool": set(names["pools"]),
        "tier": set(names["tiers"]),
        "service": set(names["services"]),
    }
    for field, name, kind in _uses(document):
        if name not in known[kind]:
            listed = ", ".join(sorted(known[kind])) or "none is described"
            yield InputFault(source=source, field=field, found=shorten(name), mend=f"name one of: {listed}")


def _uses(document: Any) -> Iterator[tuple[str, str, str]]:
    for i, array in enumerate(_entries(_at(document, "pv.arrays"))):
        if isinstance(array.get("inverter"), str):
            yield f"pv.arrays[{i}].inverter", array["inverter"], "inverter"
    for i, service in enumerate(_entries(_at(document, "services"))):
        pools = service.get("pools")
        for k, pool in enumerate(pools if isinstance(pools, list) else []):
            if isinstance(pool, str):
                yield f"services[{i}].pools[{k}]", pool, "pool"
    for i, chain in enumerate(_entries(_at(document, "chains"))):
        for k, stage in enumerate(_entries(chain.get("stages"))):
            if isinstance(stage.get("service"), str):
                yield f"chains[{i}].stages[{k}].service", stage["service"], "service"
    for i, stream in enumerate(_entries(_at(document, "batch"))):
        for k, share in enumerate(_entries(stream.get("pools"))):
            if isinstance(share.get("pool"), str):
                yield f"batch[{i}].pools[{k}].pool", share["pool"], "pool"

    above = _at(document, "planning.review_if.shed_above_tier")
    if isinstance(above, str) and above:
        yield "planning.review_if.shed_above_tier", above, "tier"


def _at(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _entries(value: Any) -> list[dict[Any, Any]]:
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else []


def _names(value: Any) -> list[str]:
    return [entry["name"] for entry in _entries(value) if isinstance(entry.get("name"), str)]
