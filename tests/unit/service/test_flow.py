"""Consent, enrolment, search, verification and withdrawal on real photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assent import Assent
from assent.errors import (
    AlreadyExists,
    FaceMismatch,
    NoFace,
    NoLiveConsent,
    NotFound,
    PoorQuality,
    SeveralFaces,
    UsageError,
    WrongPurpose,
)
from assent.service import searching
from assent.service.images import load_image
from assent.service.pictures import encode_png
from tests.builders import agree

PURPOSE = "club-photos"


@pytest.fixture
def club(assent: Assent, demo_photos: Path) -> Assent:
    """Two consenting people, three photos."""
    assent.collections.create("club", purpose=PURPOSE)
    for ref, names in {"ana": ["obama.jpg", "obama2.jpg"], "bea": ["astronaut.png"]}.items():
        agree(assent, ref)
        for name in names:
            assent.enrol(demo_photos / name, person=ref, collection="club")
    return assent


def found(assent: Assent, photo: Path | bytes, **options: object) -> list[str]:
    result = assent.search(photo, collection="club", purpose=PURPOSE, **options)  # type: ignore[arg-type]
    return [candidate.person for candidate in result.candidates]


@pytest.mark.parametrize("name", ["obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg"])
def test_an_enrolled_person_is_found_with_an_error_rate(club: Assent, demo_photos: Path, name: str) -> None:
    result = club.search(demo_photos / name, collection="club", purpose=PURPOSE)
    [answer] = result.faces
    [candidate] = answer.candidates
    assert (candidate.person, candidate.name, candidate.num_templates) == ("ana", "Ana Test", 2)
    assert result.policy is not None
    assert result.gallery_size == 2
    assert candidate.fmr_at_score <= result.policy.max_fmr == pytest.approx(0.005)
    assert candidate.expected_false_candidates == pytest.approx(2 * candidate.fmr_at_score)
    assert candidate.similarity >= result.policy.similarity


def test_a_stranger_is_nobody(club: Assent, demo_photos: Path) -> None:
    result = club.search(demo_photos / "biden.jpg", collection="club", purpose=PURPOSE)
    assert len(result.faces) == 1
    assert result.candidates == ()


def test_every_face_of_a_photo_is_searched(club: Assent, demo_photos: Path) -> None:
    rows = [
        load_image(demo_photos / name, club.settings).image_rgb[:600, :600]
        for name in ("obama.jpg", "biden.jpg")
    ]
    photo = encode_png(
        np.concatenate([np.pad(row, ((0, 600 - len(row)), (0, 0), (0, 0))) for row in rows], axis=1)
    )
    result = club.search(photo, collection="club", purpose=PURPOSE)
    assert sorted(len(answer.candidates) for answer in result.faces) == [0, 1]
    with pytest.raises(SeveralFaces, match="expected one face, found 2") as refused:
        club.enrol(photo, person="ana", collection="club")
    assert refused.value.num_faces == 2


def test_withdrawal_empties_the_same_search_at_once_for_every_handle(
    club: Assent, demo_photos: Path, open_assent: Callable[..., Assent]
) -> None:
    other = open_assent()
    probe = demo_photos / "obama3.jpg"
    assert found(club, probe) == found(other, probe) == ["ana"]
    [consent] = club.consents.list("ana")
    receipt = club.consents.withdraw(consent.id)
    assert receipt.num_templates == 2
    assert found(club, probe) == found(other, probe) == []
    assert club.consents.withdraw(consent.id) == receipt
    with pytest.raises(NoLiveConsent):
        club.enrol(demo_photos / "obama_partial_face.jpg", person="ana", collection="club")


def test_verification_is_of_one_named_person(club: Assent, demo_photos: Path) -> None:
    def verify(name: str, person: str) -> bool:
        photo = demo_photos / name
        return club.verify(photo, person=person, collection="club", purpose=PURPOSE).is_match

    assert verify("obama3.jpg", "ana")
    assert not verify("obama3.jpg", "bea")
    assert not verify("biden.jpg", "ana")
    with pytest.raises(NotFound):
        verify("biden.jpg", "nobody")
    agree(club, "cid")
    with pytest.raises(NotFound, match="not enrolled"):
        verify("biden.jpg", "cid")


def test_a_photo_of_somebody_else_is_not_enrolled_by_mistake(club: Assent, demo_photos: Path) -> None:
    with pytest.raises(FaceMismatch, match="unlike this person's earlier photos") as refused:
        club.enrol(demo_photos / "biden.jpg", person="ana", collection="club")
    assert refused.value.similarity < 60
    assert club.collections.get("club").num_templates == 3
    club.enrol(demo_photos / "biden.jpg", person="ana", collection="club", allow_mismatch=True)
    assert club.collections.get("club").num_templates == 4


def test_the_same_photo_is_enrolled_once(club: Assent, demo_photos: Path) -> None:
    with pytest.raises(AlreadyExists):
        club.enrol(demo_photos / "obama.jpg", person="ana", collection="club")
    assert club.collections.get("club").num_templates == 3


def test_faces_that_are_too_poor_are_refused_with_reasons(club: Assent, demo_photos: Path) -> None:
    image = load_image(demo_photos / "biden.jpg", club.settings).image_rgb
    with pytest.raises(PoorQuality, match="dark") as refused:
        club.enrol(encode_png((image // 12).astype(np.uint8)), person="ana", collection="club")
    assert "dark" in refused.value.reasons
    with pytest.raises(NoFace):
        club.enrol(encode_png(np.zeros((300, 300, 3), np.uint8)), person="ana", collection="club")


def test_consent_purpose_and_collection_must_agree(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "biden.jpg"
    club.people.add("dan")
    with pytest.raises(NoLiveConsent):
        club.enrol(photo, person="dan", collection="club")
    agree(club, "dan", purpose="newsletter")
    with pytest.raises(WrongPurpose):
        club.enrol(photo, person="dan", collection="club")
    with pytest.raises(WrongPurpose, match="this search was for newsletter"):
        club.search(photo, collection="club", purpose="newsletter")
    with pytest.raises(NotFound):
        club.search(photo, collection="nowhere", purpose=PURPOSE)
    with pytest.raises(UsageError, match="max_candidates"):
        club.search(photo, collection="club", purpose=PURPOSE, max_candidates=0)


def test_verification_has_the_collections_floor(club: Assent, demo_photos: Path) -> None:
    answer = club.verify(
        demo_photos / "biden.jpg", person="ana", collection="club", purpose=PURPOSE, threshold=0
    )
    assert not answer.is_match
    assert answer.threshold_fmr == pytest.approx(0.01)
    assert answer.threshold_similarity == pytest.approx(53.3, abs=0.1)


def test_of_an_animation_the_first_frame_is_looked_at_and_that_is_said(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    frames = [
        Image.open(demo_photos / name).convert("RGB").resize((400, 500))
        for name in ("obama.jpg", "biden.jpg")
    ]
    path = tmp_path / "two.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], quality=95)
    result = club.search(path, collection="club", purpose=PURPOSE)
    assert result.num_frames == club.detect(path).num_frames == 2
    assert [candidate.person for candidate in result.candidates] == ["ana"]


def test_faces_beyond_the_limit_are_said_to_be_ignored(
    club: Assent, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_FACES", 0)
    [answer] = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE).faces
    assert (answer.refused, answer.candidates) == (("too-many-faces",), ())


def test_the_policy_is_the_collections(club: Assent, demo_photos: Path) -> None:
    strict = club.collections.set_policy("club", policy="strict")
    assert strict.fpir_target == 0.001
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    assert result.policy is not None
    assert result.policy.max_fmr == pytest.approx(0.0005)
    assert club.collections.get("club").n_max == 100
    with pytest.raises(UsageError, match="expected a policy of default, strict"):
        club.collections.set_policy("club", policy="lax")
    with pytest.raises(UsageError, match="fpir_target"):
        club.collections.set_policy("club", fpir_target=1.0)


def test_only_candidates_are_visible_in_the_annotated_picture(club: Assent, demo_photos: Path) -> None:
    for name, shown in {"obama3.jpg": 1, "biden.jpg": 0}.items():
        photo = demo_photos / name
        result = club.search(photo, collection="club", purpose=PURPOSE, thorough=True)
        picture = club.annotate(photo, result)
        assert (picture.num_shown, picture.num_hidden) == (shown, len(result.faces) - shown)
        again = club.search(encode_png(picture.image_rgb), collection="club", purpose=PURPOSE)
        assert len(again.candidates) == shown


def test_removing_a_photo_and_deleting_a_collection(club: Assent, demo_photos: Path) -> None:
    [only] = club.collections.templates("club", "bea")
    club.collections.remove_template(only.id)
    assert club.collections.get("club").num_people == 1
    club.collections.delete("club")
    assert club.collections.list() == ()
    assert [person.ref for person in club.people.list()] == ["ana", "bea"]
    with pytest.raises(NotFound):
        club.search(demo_photos / "biden.jpg", collection="club", purpose=PURPOSE)


def test_every_act_leaves_a_record_that_names_nobody(club: Assent, demo_photos: Path) -> None:
    found(club, demo_photos / "obama3.jpg")
    with pytest.raises(WrongPurpose):
        club.search(demo_photos / "obama3.jpg", collection="club", purpose="other")
    entries = club.log()
    kinds = [entry["kind"] for entry in entries]
    assert kinds[-2:] == ["search", "refused"]
    search = entries[-2]
    assert (search["actor"], search["purpose"], search["gallery_size"]) == ("tester", PURPOSE, 2)
    assert len(search["candidates"]) == 1
    assert entries[-1]["refusal"] == "WrongPurpose"
    assert all(word not in str(entries).lower() for word in ("ana", "bea ", "ana test"))


def test_an_expired_consent_is_not_found_before_any_sweep(
    club: Assent, demo_photos: Path, clock: object
) -> None:
    clock.advance(days=31)  # type: ignore[attr-defined]
    assert found(club, demo_photos / "obama3.jpg") == []
    assert len(club.consents.sweep()) == 2
    assert club.collections.get("club").num_templates == 0
    assert club.consents.sweep() == ()


def test_export_has_everything_but_the_template(club: Assent) -> None:
    held = club.people.export("ana")
    text = str(held)
    assert "Test Club" in text
    assert "We keep a template" in text
    assert len(club.collections.templates("club", "ana")) == 2
    for template in club.collections.templates("club", "ana"):
        assert template.id in text


def test_erasure_withdraws_and_blanks_the_name(club: Assent) -> None:
    [receipt] = club.people.erase("ana")
    assert receipt.num_templates == 2
    assert [person.ref for person in club.people.list()] == ["bea"]
    assert club.collections.get("club").num_people == 1
