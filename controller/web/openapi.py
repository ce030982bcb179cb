"""The OpenAPI 3.1 description of everything under ``/v1``, generated from the addresses and their records."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from controller.web.api import Query, Route
from controller.web.api_commands import CommandRoute
from controller.web.problems import Problem
from controller.web.sign_in import Me

SEEN = "The version that was seen: the ETag of /v1/overrides, of /v1/fuel or of the preview; * = it does not matter."
VERSION = "The version of orders and deliveries, for If-Match."
EVENTS = (
    "Server-sent events named ``versions``: JSON with ``now`` and ``plan``, texts that differ when something has changed, "
    "and ``now_s``, site time in seconds."
)
INTRODUCTION = (
    "Everything the console shows and does. Send ``Authorization: Bearer TOKEN``; a browser's session sends its cookie and, "
    "with commands, ``X-CSRF-Token`` from /v1/me. Viewers read; commands need an operator and leave a line in /v1/audit. "
    "Commands that change orders or deliveries need If-Match: whoever has not seen the newest version is refused with 412."
)


def openapi(reads: Sequence[Route], commands: Sequence[CommandRoute]) -> dict[str, Any]:
    """Return the description."""
    answered: list[type[BaseModel]] = [
        *(route.model for route in reads),
        *(route.model for route in commands),
        Problem,
        Me,
    ]
    modes = [
        *((model, "serialization") for model in dict.fromkeys(answered)),
        *((model, "validation") for model in dict.fromkeys(route.asked for route in commands)),
    ]
    places, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    words = _Words({(model, mode): place["$ref"] for (model, mode), place in places.items()})
    paths: dict[str, dict[str, Any]] = {}
    for read in reads:
        paths.setdefault(read.path, {})["get"] = words.reading(read)
    for command in commands:
        paths.setdefault(command.path, {})["post"] = words.commanding(command)
    paths["/v1/me"] = {"get": words.plain("Who asks, and the token of their forms", "application/json", words.of(Me))}
    paths["/v1/events"] = {"get": words.plain(EVENTS, "text/event-stream", {"type": "string"})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "offgrid-mdc console", "version": version("offgrid-mdc"), "description": INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "mdc_session"},
                "form": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


class _Words:
    """Writes operations; knows where each record is described."""

    def __init__(self, places: dict[Any, str]) -> None:
        self._places = places

    def of(self, model: type[BaseModel], mode: str = "serialization") -> dict[str, Any]:
        return {"$ref": self._places[(model, mode)]}

    def plain(self, summary: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"summary": summary, "responses": {"200": _content(summary, media_type, schema), **self._problems(401)}}

    def reading(self, route: Route) -> dict[str, Any]:
        answer = _content(route.summary, "application/json", self.of(route.model))
        if "version" in route.model.model_fields:
            answer["headers"] = {"ETag": {"description": VERSION, "schema": {"type": "string"}}}
        return {
            "summary": route.summary,
            "parameters": [*_in_path(route.path), *(_in_query(each) for each in route.query)],
            "responses": {"200": answer, **self._problems(401, 404, 503)},
        }

    def commanding(self, route: CommandRoute) -> dict[str, Any]:
        parameters = _in_path(route.path)
        if route.locks:
            parameters.append(
                {
                    "name": "If-Match",
                    "in": "header",
                    "required": True,
                    "description": SEEN,
                    "schema": {"type": "string"},
                }
            )
        answer = _content(route.summary, "application/json", self.of(route.model))
        if "version" in route.model.model_fields:
            answer["headers"] = {"ETag": {"description": VERSION, "schema": {"type": "string"}}}
        asks = bool(route.asked.model_fields)
        problems = (
            400,
            401,
            403,
            *((412,) if route.locks else (409,)),
            415,
            422,
            *((428,) if route.locks else ()),
            503,
        )
        return {
            "summary": route.summary,
            "description": "For operators.",
            "security": [{"token": []}, {"session": [], "form": []}],
            "parameters": parameters,
            "requestBody": {
                "required": asks,
                "content": {"application/json": {"schema": self.of(route.asked, "validation")}},
            },
            "responses": {str(route.status): answer, **self._problems(*problems)},
        }

    def _problems(self, *codes: int) -> dict[str, Any]:
        return {str(code): _content(MEANINGS[code], "application/problem+json", self.of(Problem)) for code in codes}


MEANINGS = {
    400: "This is no JSON",
    401: "Sign in first, or the token does not hold",
    403: "Not this role, or a form of another session",
    404: "Not there",
    409: "Somebody was quicker: it is over, or waits no longer",
    412: "Somebody was quicker: look at it and decide again",
    415: "Send application/json",
    422: "It cannot be carried out: the faults, each with the nearest that works",
    428: "Say in If-Match which version you have seen",
    503: "The records cannot be reached just now",
}


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(query: Query) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "string"}
    schema = {"type": "array", "items": one} if query.many else one
    return {"name": query.name, "in": "query", "required": False, "description": query.words, "schema": schema}


def _content(words: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {media_type: {"schema": schema}}}
