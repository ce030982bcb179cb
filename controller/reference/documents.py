"""Documents as tables of their fields: the site file, a planning problem and a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


def site_page() -> str:
    """Return the page about the site file."""
    from sites.schema.site import Site

    return (
        "# Site file\n\n"
        "YAML, read once, unknown fields refused; `mdc check SITE` names every fault at once. Units stand in the names.\n"
        "The same as JSON Schema for your editor: `mdc check --schema`, or [site.schema.json](../schema/site.schema.json).\n\n"
        + _tables((Site,))
    )


def problem_and_plan_page() -> str:
    """Return the page about problems and plans."""
    from optimizer.plan import Plan
    from optimizer.problem import Problem

    return (
        "# Problem and plan\n\n"
        "`mdc solve PROBLEM.json --format json` turns the first into the second. Power into the site bus is positive; times are\n"
        "UTC; intervals are labelled by their start. JSON Schemas: [problem](../schema/problem.schema.json),\n"
        "[plan](../schema/plan.schema.json).\n\n" + _tables((Problem, Plan))
    )


def _tables(models: Iterable[type[BaseModel]]) -> str:
    parts, seen = [], set()
    for model in models:
        schema = model.model_json_schema()
        for name, part in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
            if name not in seen and "properties" in part:
                seen.add(name)
                parts.append("\n".join(_table(name, part, schema.get("$defs", {}))))
            elif name not in seen and "enum" in part:
                seen.add(name)
                values = ", ".join(f"`{value}`" for value in part["enum"])
                parts.append(f"## {name}\n\n{_one_line(part.get('description', ''))} One of {values}.\n")
    return "\n".join(parts)


def _table(name: str, schema: Schema, sections: Schema) -> Iterator[str]:
    yield f"## {name}\n"
    if words := schema.get("description"):
        yield f"{_one_line(words)}\n"
    yield "| field | type | default | meaning |\n|---|---|---|---|"
    needed = set(schema.get("required", ()))
    for field, part in schema["properties"].items():
        default = "required" if field in needed else _default(part)
        yield f"| `{field}` | {_type(part)} | {default} | {_meaning(part, sections)} |"
    yield ""


def _meaning(part: Schema, sections: Schema) -> str:
    """Return a field's own words, else those of the section that it holds."""
    if words := part.get("description"):
        return _one_line(words)
    held = [part, *part.get("anyOf", ()), part.get("items") or {}]
    names = [each["$ref"].rsplit("/", 1)[-1] for each in held if isinstance(each, dict) and "$ref" in each]
    return _one_line(sections.get(names[0], {}).get("description", "")) if names else ""


def _default(part: Schema) -> str:
    value = part.get("default")
    if value is None or value in ([], {}, "") or isinstance(value, dict):
        return ""
    return f"`{value}`"


def _type(part: Schema) -> str:
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in part:
        return " \\| ".join(f"`{each}`" for each in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    if "anyOf" in part:
        return " or ".join(_type(each) for each in part["anyOf"]).replace("null", "nothing")
    if part.get("type") == "array":
        items: Schema = part.get("items") or next(iter(part.get("prefixItems", ())), {})
        return f"list of {_type(items)}" if items else "list"
    return f"{part.get('format') or part.get('type', 'any')}{_range(part)}"


def _range(part: Schema) -> str:
    signs = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
    limits = [f"{sign} {part[key]:g}" for key, sign in signs if isinstance(part.get(key), int | float)]
    return f" {', '.join(limits)}" if limits else ""


def _one_line(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")
