"""The page of every REST operation, made from the OpenAPI document that the server gives out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from assent import Assent, Settings, errors
from assent.rest import rest_app
from assent.rest.errors import OWN_ERRORS, status_of

_BODIES = ("application/json", "multipart/form-data")


def rest_page() -> str:
    """Every operation with its parameters, and every object and error."""
    document = openapi()
    parts = [
        "# The REST interface\n",
        f"OpenAPI {document['openapi']}, at `/v1/openapi.json`. HTTP Basic with an access key's id and secret. How "
        "to use it: [REST](../rest.md).\n",
        _errors(),
    ]
    for tag in document["tags"]:
        parts.append(f"## {tag['name']}\n\n{tag['description']}\n")
        parts += [
            _operation(document, *found) for found in operations(document) if tag["name"] in found[2]["tags"]
        ]
    parts.append("## Objects\n")
    schemas = document["components"]["schemas"]
    parts += [
        _object(name, schema)
        for name, schema in sorted(schemas.items())
        if not name.startswith(("Body_", "Page_"))
    ]
    return "\n".join(parts)


def openapi() -> dict[str, Any]:
    """The document; nothing is opened for it."""
    return rest_app(cast(Assent, SimpleNamespace(settings=Settings()))).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def _errors() -> str:
    own = [(status, name, text) for name, (status, text) in OWN_ERRORS.items()]
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AssentError) and kind is not errors.AssentError
    ]
    shared = [(status_of(kind), kind.__name__, (kind.__doc__ or "").split("\n\n")[0]) for kind in kinds]
    rows = [f"| {status} | `{name}` | {_cell(text)} |" for status, name, text in sorted(own + shared)]
    return "## Errors\n\n| status | `error` | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        _row(
            f"`{parameter['name']}` ({parameter['in']})",
            parameter["schema"],
            is_required=parameter["required"],
        )
        for parameter in operation.get("parameters", ())
    ]
    rows += [row for body in _bodies(operation) for row in _body_rows(document, body)]
    statuses = ", ".join(status for status in operation["responses"] if not status.startswith("2"))
    text = f"### {method} {path}\n\n{operation['description']}\n\nAnswers {_answer(operation)}. Errors: {statuses}.\n"
    return text + (f"\n| | | |\n| --- | --- | --- |\n{chr(10).join(rows)}\n" if rows else "")


def _bodies(operation: dict[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    return [content[kind]["schema"] for kind in _BODIES if kind in content]


def _body_rows(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    if not schema.get("$ref", "").rpartition("/")[2].startswith("Body_"):
        return [f"| body | {_kind(schema)} | JSON |"]
    form = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return [
        _row(f"`{name}` (form)", kind, is_required=name in form.get("required", ()))
        for name, kind in form["properties"].items()
    ]


def _answer(operation: dict[str, Any]) -> str:
    [status] = [status for status in operation["responses"] if status.startswith("2")]
    for media_type, content in operation["responses"][status].get("content", {}).items():
        kind = _kind(content["schema"]) if media_type == "application/json" else f"`{media_type}`"
        return f"{status}, {kind}"
    return f"{status}, nothing"


def _object(name: str, schema: dict[str, Any]) -> str:
    text = f"### {name}\n\n{schema.get('description', '')}\n"
    if "enum" in schema:
        return f"{text}\n{_kind(schema)}\n"
    required = schema.get("required", ())
    rows = [
        _row(f"`{member}`", kind, is_required=member in required)
        for member, kind in schema.get("properties", {}).items()
    ]
    return f"{text}\n| | | |\n| --- | --- | --- |\n{chr(10).join(rows)}\n"


def _row(name: str, schema: dict[str, Any], *, is_required: bool) -> str:
    default = schema.get("default")
    note = "" if is_required else " optional" if default is None else f" default `{default}`"
    return f"| {name} | {_kind(schema)}{note} | {_cell(schema.get('description', ''))} |"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _linked(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(kind) for kind in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return f"{_plain(schema)}{_range(schema)}"


def _plain(schema: dict[str, Any]) -> str:
    if "contentMediaType" in schema:
        return "file"
    return str(schema.get("format", schema.get("type", "any")))


def _linked(name: str) -> str:
    if name.startswith("Page_"):
        inner = name.removeprefix("Page_").rstrip("_")
        return f"page of {_linked(inner)}"
    return f"[{name}](#{name.lower()})"


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    return f" from {low:g}" if high is None else f" to {high:g}" if low is None else f" {low:g} to {high:g}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
