"""What the document says: everything, to people too, and nothing that a promise forbids."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assent import Assent, Settings
from assent.rest import rest_app
from tests.promises.builders import num_numbers, walk
from tests.unit.rest.builders import Api

DOCUMENT = rest_app(cast(Assent, SimpleNamespace(settings=Settings()))).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "rest.md"


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member and parameter, with where it is."""
    for name, schema in SCHEMAS.items():
        for member, kind in schema.get("properties", {}).items():
            yield f"{name}.{member}", kind
    for method, path, operation in OPERATIONS:
        for parameter in operation.get("parameters", ()):
            yield f"{method} {path} {parameter['name']}", {**parameter, **parameter["schema"]}


def within(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that are in it, references followed once."""
    seen: set[str] = set()

    def walk(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            yield value
            name = str(value.get("$ref", "")).rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                yield from walk(SCHEMAS[name])
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    yield from walk(schema)


def test_it_is_served_as_it_is(still: Api) -> None:
    assert still.ok("GET", "/openapi.json", by="searcher") == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")
    for path in ("/docs", "/redoc"):
        still.error("GET", path, 404, "NoSuchPath")


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda value: str(value)[:60])
def test_an_operation_says_what_it_does_and_how_it_fails(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["description"]
    assert operation["security"] == [{"HTTPBasic": []}]
    responses = operation["responses"]
    assert {"401", "403", "422", "500", "503"} <= responses.keys()
    if "requestBody" in operation:
        assert {"400", "413"} <= responses.keys()
    if "{" in path:
        assert "404" in responses or path == "/keys/{key_id}"
    for status, answer in responses.items():
        if not status.startswith("2"):
            content = answer["content"]
            assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names)) > 50


def test_numbers_have_a_meaning_and_parameters_an_explanation() -> None:
    unexplained = {
        where
        for where, schema in fields()
        if not schema.get("description") and (" " in where or schema.get("type") in ("number", "integer"))
    }
    assert unexplained <= {
        "DestroyedAnswer.epoch_before",
        "DestroyedAnswer.epoch_after",
        "VerificationAnswer.threshold_score",
    } | {f"BoxAnswer.{edge}" for edge in ("left", "top", "width", "height")}


def test_no_object_takes_or_has_a_member_that_is_not_written_down() -> None:
    objects = {name: schema for name, schema in SCHEMAS.items() if schema.get("type") == "object"}
    loose = {name for name, schema in objects.items() if schema.get("additionalProperties") is not False}
    assert loose <= {"Problem"} | {name for name in objects if name.startswith("Page_")}


# --- promise 8: no pictures from addresses, no template out, one collection a search


def test_nothing_takes_an_address() -> None:
    for where, schema in fields():
        name = where.rpartition(".")[2].rpartition(" ")[2]
        assert not re.search(r"url|uri|href|link|address|bucket|callback|webhook", name), where
        for inner in within(schema):
            assert inner.get("format") not in ("uri", "url", "iri", "uri-reference"), where


def test_a_photo_comes_as_its_bytes() -> None:
    photos = {
        where: schema
        for where, schema in fields()
        if where.rpartition(".")[2] in ("image", "source", "target") and where.startswith("Body_")
    }
    assert len(photos) == 6
    for where, schema in photos.items():
        assert schema["contentMediaType"] == "application/octet-stream", where


def test_no_answer_holds_a_template() -> None:
    """No list of numbers but the five landmarks, and nothing called so; the export calls so what it tells of them."""
    told = SCHEMAS["ExportAnswer"]["properties"]
    for method, path, operation in OPERATIONS:
        for answer in operation["responses"].values():
            for inner in within(answer):
                if inner is SCHEMAS["ExportAnswer"] or inner is told:
                    continue
                for name in inner.get("properties", {}):
                    assert not re.fullmatch(r"templates?|vectors?|embeddings?|features?|key|seed", name), path
                if inner.get("type") == "array" and inner["items"].get("type") in ("number", "integer"):
                    assert inner is SCHEMAS["FoundFace"]["properties"]["landmarks"]["items"], (method, path)


def test_what_is_given_out_of_the_enrolled_is_no_template(still_club: Api) -> None:
    for path in ("/people/ana/export", "/collections/club/templates", "/collections/club", "/log/entries"):
        document = still_club.ok("GET", path)
        assert [where for where, value in walk(document) if num_numbers(value) > 10] == []


def test_every_search_is_of_the_one_collection_in_its_path() -> None:
    searches = [
        (path, operation)
        for _, path, operation in OPERATIONS
        if any(
            str(inner.get("$ref", "")).endswith(("/CandidateAnswer", "/VerificationAnswer"))
            for answer in operation["responses"].values()
            for inner in within(answer)
        )
    ]
    assert len(searches) == 4
    for path, operation in searches:
        assert path.startswith("/collections/{collection}/")
        [collection] = [item for item in operation["parameters"] if item["name"] == "collection"]
        assert collection["schema"]["type"] == "string"
        assert not re.search(collection["schema"]["pattern"], "club,other")
        assert not re.search(collection["schema"]["pattern"], "*")


def test_a_similarity_never_goes_without_its_error_rate() -> None:
    alone = {
        name
        for name, schema in SCHEMAS.items()
        if "similarity" in schema.get("properties", {})
        and not {"fmr_at_score", "max_fmr"} & schema["properties"].keys()
    }
    assert alone <= {"ErrorAnswer", "AssociationFailure"}  # to a person's own photos: nothing is found by it


# --- the guide


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line) for line in re.split(r"\n(?=curl )", "\n".join(blocks).strip())]


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[3].removeprefix("$AT"))
def test_the_guides_commands_are_operations(words: list[str]) -> None:
    assert words[:3] == ["curl", "--user", "$KEY"]
    path, _, query = words[3].removeprefix("$AT/v1").partition("?")
    has_body = "--json" in words or "--form" in words
    method = words[words.index("--request") + 1] if "--request" in words else "POST" if has_body else "GET"
    [operation] = [
        operation
        for its_method, its_path, operation in OPERATIONS
        if its_method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", its_path), path)
    ]
    known = {item["name"] for item in operation.get("parameters", ())}
    assert {part.partition("=")[0] for part in query.split("&") if part} <= known
    if "--form" in words:
        given = {words[n + 1].partition("=")[0] for n, word in enumerate(words) if word == "--form"}
        form = SCHEMAS[f"Body_{operation['operationId']}"]
        assert set(form["required"]) <= given <= form["properties"].keys()


def test_the_guides_bodies_fit(still: Api) -> None:
    """Whatever comes of them, none is refused for its form."""
    for words in commands():
        if "--json" not in words:
            continue
        path = words[3].removeprefix("$AT/v1")
        method = words[words.index("--request") + 1] if "--request" in words else "POST"
        response = still.send(method, path, json=json.loads(words[words.index("--json") + 1]))
        assert response.status_code in (200, 201, 204, 404, 409), response.text
