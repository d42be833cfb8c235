"""Promise 4: nothing is inferred about what a person is, in nothing that is answered or kept."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assent
from assent.cli.output import to_json
from assent.models.manifest import Kind, ModelEntry
from assent.models.store import ModelStore
from assent.types import QualityReason
from tests.promises.builders import walk

_WORDS = """
age ages born birth birthday gender sex male female man woman ethnic ethnicity race racial skin nationality
religion emotion emotions mood smile smiling happy angry sad beard mustache eyeglasses sunglasses glasses makeup hair
attractive beauty bmi health disability pregnant celebrity celebrities famous occupation orientation personality
criminal trustworthy
"""
ATTRIBUTES = frozenset(_WORDS.split())


def tokens(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))


def dataclasses_of_the_package() -> Iterator[type]:
    for info in pkgutil.walk_packages(assent.__path__, "assent."):
        if info.name.rsplit(".", 1)[-1] in ("__main__", "env") or ".versions." in info.name:
            continue
        for _, kind in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
            if kind.__module__.startswith("assent.") and (
                dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")
            ):
                yield kind


def fields_of(kind: Any) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind.model_fields)


def test_no_field_of_any_result_or_record_is_an_attribute_of_a_person() -> None:
    kinds = set(dataclasses_of_the_package())
    assert len(kinds) > 40
    found = {(k.__name__, f) for k in kinds for f in fields_of(k) if tokens(f) & ATTRIBUTES}
    assert found == set()


def test_no_reason_is_an_attribute_of_a_person() -> None:
    assert not set().union(*(tokens(reason.value) for reason in QualityReason)) & ATTRIBUTES


def test_a_person_is_an_id_and_a_name() -> None:
    names = set(inspect.signature(assent.Assent.__init__).parameters)
    assert not names & ATTRIBUTES
    assert set(inspect.signature(assent.service.people.People.add).parameters) == {"self", "ref", "name"}


def test_no_model_says_what_a_person_is(models_dir: Path) -> None:
    kinds = set(Kind)
    assert kinds == {"detector", "embedder", "landmarks"}
    assert ModelEntry.model_fields["kind"].annotation is Kind
    for entry in ModelStore(models_dir).entries():
        assert entry.kind in kinds
        assert not tokens(entry.name) & ATTRIBUTES


def test_no_answer_has_a_key_for_what_a_person_is(answers: dict[str, Any]) -> None:
    names = {path for path, _ in walk(answers)} | {
        path for path, _ in walk(json.loads(json.dumps(to_json(answers))))
    }
    assert len(names) > 80
    assert [path for path in names if tokens(path) & ATTRIBUTES] == []


@pytest.mark.parametrize("name", ["age_range", "isSmiling", "Gender", "ethnic-group", "celebrityFaces"])
def test_the_words_are_recognised(name: str) -> None:
    assert tokens(name) & ATTRIBUTES
