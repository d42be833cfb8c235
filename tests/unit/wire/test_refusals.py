"""The table of what is not answered, and that nothing falls between it and the handlers."""

from __future__ import annotations

from assent.wire.model import declared_errors, operation_names
from assent.wire.operations import HANDLERS
from assent.wire.refusals import REFUSALS, Kind, refusal_of


def test_every_operation_is_answered_or_refused_with_a_reason() -> None:
    refused = [name for refusal in REFUSALS for name in refusal.operations]
    assert len(refused) == len(set(refused))
    assert set(refused).isdisjoint(HANDLERS)
    assert set(refused) | set(HANDLERS) == set(operation_names())
    assert (len(HANDLERS), len(refused)) == (36, 39)


def test_a_refusal_says_which_sort_it_is() -> None:
    celebrities = refusal_of("RecognizeCelebrities")
    assert celebrities is not None
    assert celebrities.code == "AccessDeniedException"
    assert "refused on principle" in celebrities.message
    video = refusal_of("CreateFaceLivenessSession")
    assert video is not None
    assert "not there yet" in video.message
    assert refusal_of("IndexFaces") is None
    for refusal in REFUSALS:
        assert refusal.kind in Kind
        assert all("AccessDeniedException" in declared_errors(name) for name in refusal.operations)
