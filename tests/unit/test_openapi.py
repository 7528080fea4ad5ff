"""``docs/executions.openapi.yaml`` against the code: it describes each route and method, and is valid itself.

A new route fails here until it is described. tests/bridge/test_executions_openapi.py compares the server's answers with the file.
"""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from tornado.web import RequestHandler

from kernelws.executions import reading
from kernelws.executions.routes import routes as all_routes
from scripts.docs_facts import ROOT

FILE = ROOT / "docs" / "executions.openapi.yaml"
METHODS = ("get", "head", "post", "delete", "patch", "put")
"""OPTIONS is jupyter_server's and the same for all of its APIs."""

described = schemathesis.openapi.from_path(FILE)
raw: dict[str, Any] = described.raw_schema


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of the file."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(one)


def target(ref: str) -> Any:
    """What a ``$ref`` refers to."""
    found: Any = raw
    for name in ref.removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


def test_every_route_and_method_is_described_and_no_other() -> None:
    routes = {re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", path): cls for path, cls in all_routes("/")}
    unimplemented = {method: getattr(RequestHandler, method) for method in METHODS}
    there = {
        path: {method for method in METHODS if getattr(cls, method) is not unimplemented[method]} for path, cls in routes.items()
    }
    assert {path: set(item) - {"parameters"} for path, item in raw["paths"].items()} == there


def test_the_file_is_valid() -> None:
    """schemathesis does not look at what is inside of schemas, nor at references."""
    described.validate()
    for part in parts(raw):
        if "$ref" in part:
            target(part["$ref"])
        if "schema" in part:
            jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **part["schema"]})
    for schema in raw["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_error_has_a_reason() -> None:
    for path in raw["paths"].values():
        for operation in (item for method, item in path.items() if method in METHODS):
            assert {"400", "403", "404"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    found = target(answer["$ref"]) if "$ref" in answer else answer
                    assert found["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


@pytest.mark.parametrize("text", [f"A number over {reading.MAX_WAIT:g} counts", f"A number over {reading.MAX_READ} (16 MiB)"])
def test_the_limits_are_those_of_the_code(text: str) -> None:
    assert any(text in part.get("description", "") for part in parts(raw))


def test_the_states_are_those_of_the_code() -> None:
    assert tuple(raw["components"]["schemas"]["State"]["enum"]) == reading.STATES
