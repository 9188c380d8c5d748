"""The API's description as an OpenAPI 3.1 document, from the same pydantic models that check requests and make answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from genair_engine import __version__
from genair_engine.api.problems import RETRY_SECONDS

CLI_ONLY = ("positional", "short")
"""What a field says to the command line alone."""
_TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message", "fields"],
            "properties": {
                "kind": _TEXT,
                "message": {**_TEXT, "description": "what was wrong and what to do"},
                "fields": {"type": "array", "items": {"type": "object", "properties": {"field": _TEXT, "message": _TEXT}}},
            },
        }
    },
}
STATUSES = {
    "400": "the body is not JSON",
    "404": "the run, the data set or an item does not exist",
    "405": "the path answers another method",
    "413": "the body is too large",
    "422": "a field is wrong",
    "500": "the server failed",
    "503": f"the database is away, or too many requests wait: try again in {RETRY_SECONDS} s (Retry-After)",
}


class Described(Protocol):
    """What is told of an endpoint."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def request(self) -> type[BaseModel]: ...
    @property
    def result(self) -> type[BaseModel]: ...


def description(endpoints: Sequence[Described]) -> dict[str, Any]:
    """The document. Shared models are components, once each."""
    pairs = [(endpoint.request, "validation") for endpoint in endpoints]
    pairs += [(endpoint.result, "serialization") for endpoint in endpoints]
    refs, document = models_json_schema(pairs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas = document.get("$defs", {})
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            for name in CLI_ONLY:
                field.pop(name, None)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation: dict[str, Any] = {
            "summary": (endpoint.request.__doc__ or endpoint.path).strip(),
            "responses": {
                "200": {
                    "description": (endpoint.result.__doc__ or "").strip(),
                    "content": _json(refs[endpoint.result, "serialization"]),
                }
            }
            | {
                status: {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}
                for status, text in STATUSES.items()
            },
        }
        if endpoint.method == "POST":
            operation["requestBody"] = {"required": True, "content": _json(refs[endpoint.request, "validation"])}
        else:
            schema = schemas[endpoint.request.__name__]
            operation["parameters"] = [
                {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": field}
                for name, field in schema.get("properties", {}).items()
            ]
        paths[endpoint.path] = {endpoint.method.lower(): operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "GenAIR Studio", "version": __version__},
        "paths": paths,
        "components": {"schemas": {**schemas, "Error": ERROR}},
    }


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
