"""Promise 5: candidates, not verdicts. A search never says that somebody is somebody.

A collection under two-person review does not exist yet; what a search answers is held to the promise already.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from assent import Assent
from assent.cli.output import to_json
from assent.service.results import Candidate, FaceAnswer, SearchResult
from tests.promises.builders import PURPOSE

VERDICT = re.compile(r"\b(is_?match|matched|match|verdict|identity|identified|is_person|confirmed)\b")


@pytest.mark.parametrize("kind", [SearchResult, FaceAnswer, Candidate])
def test_no_field_of_a_search_is_a_verdict(kind: type) -> None:
    assert [f.name for f in dataclasses.fields(kind) if VERDICT.search(f.name)] == []


def test_every_name_comes_with_how_often_it_is_wrong(club: Assent, demo_photos: Path) -> None:
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    text = json.dumps(to_json(result))
    assert not VERDICT.search(text)
    assert result.candidates
    for candidate in result.candidates:
        assert 0 < candidate.fmr_at_score <= 1
        assert candidate.expected_false_candidates >= candidate.fmr_at_score


def test_several_people_may_be_candidates_of_one_face(club: Assent, demo_photos: Path) -> None:
    """The list is not cut to its first: a look-alike who reaches the threshold is shown beside the best."""
    [astronaut] = club.collections.templates("club", "bea")
    club.enrol(demo_photos / "obama_partial_face.jpg", person="bea", collection="club", allow_mismatch=True)
    club.collections.remove_template(astronaut.id)
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    [answer] = result.faces
    assert {candidate.person for candidate in answer.candidates} == {"ana", "bea"}
