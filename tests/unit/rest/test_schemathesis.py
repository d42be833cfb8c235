"""The served OpenAPI document, read by schemathesis, which tries to prove it wrong."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from assent import Assent, Settings
from assent.rest import rest_app
from tests.unit.rest.builders import Api, mounted

OPERATIONS = sorted(
    (path, method)
    for path, item in rest_app(cast(Assent, SimpleNamespace(settings=Settings()))).openapi()["paths"].items()
    for method in item
)


class Fuzzed:
    """The served document and a key that may do everything."""

    def __init__(self, api: Api) -> None:
        self.api = api
        credentials = base64.b64encode(":".join(api.keys["admin"]).encode()).decode()
        self.headers = {"Authorization": f"Basic {credentials}"}
        self.schema = schemathesis.openapi.from_asgi(
            "/v1/openapi.json", mounted(api.assent), headers=self.headers
        )

    def run(self, path: str, method: str, mode: GenerationMode, *, max_examples: int) -> None:
        operation = self.schema[path][method]

        @settings(
            max_examples=max_examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            case.call_and_validate(
                headers=self.headers,
                excluded_checks=[positive_data_acceptance],
                additional_checks=[fits_means_taken],
            )

        check()


def fits_means_taken(_: Any, response: Any, case: Any) -> None:
    """What fits the document is refused only for what no schema can say: that a face is too poor, that a term is over.

    Stricter than schemathesis' own ``positive_data_acceptance`` where that is about the document, and without its word
    on photos, cursors and rules between members.
    """
    if response.status_code != 422 or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    body = response.json()
    if body["error"] == "InvalidRequest":
        problems = body.get("problems", [{"what": body["message"]}])
        assert all(problem["what"].startswith("Value error") for problem in problems), body


@pytest.fixture(scope="module")
def fuzzed(still_club: Api) -> Fuzzed:
    return Fuzzed(still_club)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_is_as_it_says(fuzzed: Fuzzed, path: str, method: str, mode: GenerationMode) -> None:
    fuzzed.run(path, method, mode, max_examples=12)
