from __future__ import annotations

from pathlib import Path

import pytest

from assent import Assent
from assent.errors import AlreadyExists, NoLiveConsent, NotFound, QuotaExceeded, TokenReused, UsageError
from assent.service import users
from assent.store import RequestToken
from tests.builders import agree

from .conftest import PURPOSE

MISSING = "00000000-0000-4000-8000-000000000000"


def ids(assent: Assent, person: str) -> list[str]:
    return [record.id for record in assent.collections.templates("club", person)]


def searched(assent: Assent, photo: Path) -> list[str]:
    result = assent.search(photo, collection="club", purpose=PURPOSE, among="users")
    return [candidate.person for candidate in result.candidates]


def test_a_user_is_found_by_the_photos_that_were_associated(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    assert searched(club, photo) == []
    made = club.users.create("club", "ana")
    assert (made.person_ref, made.num_templates) == ("ana", 0)
    assert searched(club, photo) == []
    first, second = ids(club, "ana")
    done = club.users.associate("club", "ana", [first, second])
    assert (done.done, done.failed, done.num_templates) == ((first, second), (), 2)
    assert searched(club, photo) == ["ana"]
    gone = club.users.disassociate("club", "ana", [first, second, MISSING])
    assert gone.done == (first, second)
    assert [(f.template_id, f.reason) for f in gone.failed] == [(MISSING, "face-not-found")]
    assert searched(club, photo) == []
    assert len(ids(club, "ana")) == 2  # enrolled still


def test_only_a_persons_own_photos_are_associated_with_them(club: Assent) -> None:
    club.users.create("club", "ana")
    [beas] = ids(club, "bea")
    result = club.users.associate("club", "ana", [beas, MISSING])
    assert [(f.reason, f.person) for f in result.failed] == [
        ("of-another-person", "bea"),
        ("face-not-found", None),
    ]
    assert (result.done, result.num_templates) == ((), 0)


def test_a_photo_unlike_the_others_is_left_out(club: Assent, demo_photos: Path) -> None:
    own = ids(club, "ana")
    strange = club.enrol(
        demo_photos / "biden.jpg", person="ana", collection="club", allow_mismatch=True
    ).template_id
    club.users.create("club", "ana")
    assert club.users.associate("club", "ana", own).failed == ()
    result = club.users.associate("club", "ana", [strange])
    [failure] = result.failed
    assert (failure.template_id, failure.reason) == (strange, "low-similarity")
    assert failure.similarity is not None
    assert failure.similarity < 75
    assert club.users.associate("club", "ana", [strange], min_similarity=0).done == (strange,)


def test_a_user_is_somebody_with_a_live_consent(club: Assent) -> None:
    club.people.add("cid")
    with pytest.raises(NoLiveConsent):
        club.users.create("club", "cid")
    with pytest.raises(NotFound):
        club.users.create("club", "nobody")
    club.users.create("club", "ana")
    with pytest.raises(AlreadyExists):
        club.users.create("club", "ana")
    club.consents.withdraw(club.consents.list("ana")[0].id)
    assert club.users.list("club") == ()


def test_a_user_stays_while_another_consent_covers_the_purpose(club: Assent) -> None:
    [first] = club.consents.list("ana")
    second = agree(club, "ana", purpose=PURPOSE, days=60)
    club.users.create("club", "ana")
    club.consents.withdraw(first.id)
    assert [user.person_ref for user in club.users.list("club")] == ["ana"]
    club.consents.withdraw(second.id)
    assert club.users.list("club") == ()


def test_a_user_that_is_deleted_leaves_the_photos_enrolled(club: Assent, demo_photos: Path) -> None:
    club.users.create("club", "ana")
    club.users.associate("club", "ana", ids(club, "ana"))
    club.users.delete("club", "ana")
    assert searched(club, demo_photos / "obama3.jpg") == []
    club.users.create("club", "ana")
    assert searched(club, demo_photos / "obama3.jpg") == []  # nothing of before counts
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    assert [candidate.person for candidate in result.candidates] == ["ana"]
    club.users.delete("club", "ana")
    with pytest.raises(NotFound):
        club.users.delete("club", "ana")


def test_a_request_repeated_under_its_token_happens_once(club: Assent) -> None:
    token = RequestToken("CreateUser", "t-1", "0" * 64)
    first = club.users.create("club", "ana", token=token)
    assert club.users.create("club", "ana", token=token) == first
    with pytest.raises(TokenReused):
        club.users.create("club", "bea", token=RequestToken("CreateUser", "t-1", "1" * 64))
    gone = RequestToken("DeleteUser", "t-1", "0" * 64)
    club.users.delete("club", "ana", token=gone)
    club.users.delete("club", "ana", token=gone)
    assert club.users.list("club") == ()


def test_a_refused_request_does_not_use_its_token_up(club: Assent) -> None:
    token = RequestToken("CreateUser", "t-1", "0" * 64)
    club.people.add("cid")
    with pytest.raises(NoLiveConsent):
        club.users.create("club", "cid", token=token)
    agree(club, "cid", purpose=PURPOSE)
    assert club.users.create("club", "cid", token=token).person_ref == "cid"


def test_so_many_photos_count_at_most(club: Assent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MAX_FACES_PER_USER", 1)
    club.users.create("club", "ana")
    with pytest.raises(QuotaExceeded):
        club.users.associate("club", "ana", ids(club, "ana"))
    with pytest.raises(UsageError):
        club.users.associate("club", "ana", [], min_similarity=101)
