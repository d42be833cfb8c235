"""What several operations share: finding the collection, refusing attributes, telling how to record a consent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from assent.errors import ConsentError, NotFound
from assent.store.values import CollectionRecord
from assent.vision.quality import QualityGate, refusals
from assent.wire.call import Call
from assent.wire.errors import WireError, denied

DEFAULT_SIMILARITY: Final = 80.0
"""Where the caller gives no threshold; a collection's floor may be stricter."""

# MEDIUM and HIGH are stricter than what is always asked, which no value of QualityFilter switches off.
_FILTERS: Final = {
    "MEDIUM": QualityGate(
        min_inter_ocular_px=20.0,
        min_sharpness=0.50,
        min_brightness=50.0,
        max_brightness=210.0,
        max_yaw_ratio=0.30,
        min_confidence=0.80,
    ),
    "HIGH": QualityGate(
        min_inter_ocular_px=32.0,
        min_sharpness=0.65,
        min_brightness=65.0,
        max_brightness=200.0,
        max_yaw_ratio=0.20,
        min_confidence=0.90,
    ),
}


def collection_of(call: Call) -> CollectionRecord:
    """The collection that the request names.

    Raises:
        WireError: ``ResourceNotFoundException`` where there is none, in AWS's words.
    """
    try:
        return call.assent.collections.record(call.collection)
    except NotFound as error:
        raise no_collection(call.collection) from error


def no_collection(name: str) -> WireError:
    """There is no such collection."""
    return WireError("ResourceNotFoundException", f"The collection id: {name} does not exist")


@contextmanager
def naming_the_remedy(person: str, purpose: str) -> Iterator[None]:
    """Tell whoever enrols somebody without a consent how one is recorded.

    Args:
        person: whom ``ExternalImageId`` or ``UserId`` names.
        purpose: the collection's.

    Raises:
        WireError: ``AccessDeniedException`` where the person is not known, or did not agree.
    """
    try:
        yield
    except (ConsentError, NotFound) as error:
        why = error.message if isinstance(error, ConsentError) else f"nobody is known here as {person}"
        raise denied(f"No consent, no template: {why}. {remedy(person, purpose)}") from error


def remedy(person: str, purpose: str) -> str:
    """The command that records a consent."""
    return (
        f"Record their consent first: assent consent record {person} --purpose {purpose} --controller WHO "
        f"--notice FILE --evidence FILE --days N (after assent person add {person}; "
        f"many at once: assent consent import)."
    )


def refuse_attributes(asked: list[str]) -> None:
    """Refuse to guess what a person is; ``ALL`` is answered with what is measured, the DEFAULT set.

    Raises:
        WireError: ``AccessDeniedException`` where an attribute is asked for by name.
    """
    guessed = [name for name in asked if name not in ("ALL", "DEFAULT")]
    if guessed:
        raise denied(
            f"{', '.join(guessed)}: nothing is inferred here about what a person is, does or feels. Ask for DEFAULT: "
            f"BoundingBox, Landmarks, Pose, Quality and Confidence."
        )


def is_filtered_out(call: Call, encoded: bytes) -> tuple[str, ...]:
    """Why the largest face does not meet a ``QualityFilter`` of MEDIUM or HIGH; empty where it does, or none was asked.

    What every face is held to, whatever the filter, is the service's concern.
    """
    gate = _FILTERS.get(call.params.get("QualityFilter", ""))
    if gate is None:
        return ()
    faces = call.assent.detect(encoded).faces
    return refusals(faces[0].quality, gate) if faces else ()
