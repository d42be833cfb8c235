"""Videos and jobs over REST: accepted, worked on, asked for, cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.rest.builders import NOBODY, PURPOSE, Api, assert_error


def submitted(api: Api, path: str, clip: Path, **fields: Any) -> str:
    """A job on the clip; its id."""
    made = api.ok("POST", path, status=202, files={"video": clip.read_bytes()}, data=fields)
    assert (made["state"], made["progress"], made["kept_until"]) == ("queued", 0.0, None)
    return str(made["id"])


def test_a_timeline_is_asked_for_and_fetched(club: Api, short_clip: Path) -> None:
    job_id = submitted(club, "/collections/club/timeline", short_clip, purpose=PURPOSE)
    club.error("GET", f"/jobs/{job_id}/timeline", 409, "JobNotReady")
    assert club.assent.worker().work_once()
    job = club.ok("GET", f"/jobs/{job_id}", by="searcher")
    assert (job["kind"], job["collection"], job["state"], job["progress"]) == (
        "timeline",
        "club",
        "succeeded",
        1,
    )
    found = club.ok("GET", f"/jobs/{job_id}/timeline", by="searcher")
    [ana] = found["people"]
    assert (ana["person"], [item["is_confirmed"] for item in ana["appearances"]]) == ("ana", [True])
    assert (found["num_others"], found["gallery_size"], found["duration_s"]) == (1, 2, 1.6)
    tracks = club.ok("GET", f"/jobs/{job_id}/tracks")["items"]
    assert [track["index"] for track in tracks] == [0, 1]
    assert all(track["boxes"] for track in tracks)
    assert_error(club.send("GET", f"/jobs/{job_id}/output"), 404, "NotFound")
    assert_error(club.send("GET", f"/jobs/{job_id}/redaction"), 409, "JobNotReady")
    assert_error(club.send("GET", f"/jobs/{job_id}/timeline", by="enroller"), 403, "Forbidden")
    [consent] = club.ok("GET", "/people/ana/consents")["items"]
    club.assent.consents.withdraw(consent["id"])
    assert club.ok("GET", f"/jobs/{job_id}/timeline")["people"] == []


def test_a_copy_with_faces_hidden_is_kept_until_somebody_shown_withdraws(club: Api, short_clip: Path) -> None:
    fields = {
        "collection": "club",
        "purpose": PURPOSE,
        "method": "solid",
        "container": "mkv",
        "people": "ana,bea",
    }
    job_id = submitted(club, "/videos/redact", short_clip, **fields)
    assert club.assent.worker().work_once()
    job = club.ok("GET", f"/jobs/{job_id}")
    assert (job["state"], job["message"]) == ("succeeded", None)
    told = club.ok("GET", f"/jobs/{job_id}/redaction")
    assert (told["num_hidden"], told["num_shown"], told["has_output"]) == (1, 1, True)
    answer = club.send("GET", f"/jobs/{job_id}/output")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="redacted.mkv"'
    assert answer.content[:4] == b"\x1a\x45\xdf\xa3"
    assert len(answer.content) == int(answer.headers["content-length"])
    assert [path.suffix for path in club.assent.settings.jobs_path.iterdir()] == [".out"]
    [consent] = club.ok("GET", "/people/ana/consents")["items"]
    club.assent.consents.withdraw(consent["id"])
    assert_error(club.send("GET", f"/jobs/{job_id}/output"), 404, "NotFound")
    assert club.ok("GET", f"/jobs/{job_id}/redaction")["has_output"] is False
    club.assent.jobs.sweep()
    assert list(club.assent.settings.jobs_path.iterdir()) == []


def test_jobs_are_listed_and_cancelled(club: Api, short_clip: Path) -> None:
    first = submitted(club, "/videos/redact", short_clip)
    second = submitted(club, "/collections/club/timeline", short_clip, purpose=PURPOSE)
    page = club.ok("GET", "/jobs", params={"limit": 1})
    rest = club.ok("GET", "/jobs", params={"cursor": page["next_cursor"]})
    assert {item["id"] for item in page["items"] + rest["items"]} == {first, second}
    assert club.ok("POST", f"/jobs/{first}/cancel")["state"] == "cancelled"
    assert club.ok("POST", f"/jobs/{first}/cancel")["state"] == "cancelled"
    assert_error(club.send("POST", f"/jobs/{NOBODY}/cancel"), 404, "NotFound")
    assert_error(club.send("GET", "/jobs", by="reviewer"), 403, "Forbidden")


@pytest.mark.parametrize(
    ("path", "fields", "status", "name"),
    [
        ("/collections/club/timeline", {"purpose": "other"}, 403, "WrongPurpose"),
        ("/collections/none/timeline", {"purpose": PURPOSE}, 404, "NotFound"),
        ("/collections/club/timeline", {}, 422, "InvalidRequest"),
        ("/videos/redact", {"collection": "club"}, 422, "UsageError"),
        ("/videos/redact", {"people": "ana"}, 422, "UsageError"),
        ("/videos/redact", {"people": "ana,"}, 422, "InvalidRequest"),
        ("/videos/redact", {"collection": "club", "purpose": PURPOSE, "people": "ana,kim"}, 404, "NotFound"),
        ("/videos/redact", {"container": "exe"}, 422, "InvalidRequest"),
    ],
)
def test_what_cannot_be_queued_is_refused(
    club: Api, path: str, fields: dict[str, str], status: int, name: str
) -> None:
    club.error("POST", path, status, name, files={"video": b"x"}, data=fields)
    assert club.ok("GET", "/jobs")["items"] == []
    assert not list(club.assent.settings.jobs_path.glob("*"))


def test_an_address_is_no_video(club: Api) -> None:
    fields = {"purpose": PURPOSE, "video": "https://example.org/a.mp4"}
    club.error("POST", "/collections/club/timeline", 422, "InvalidRequest", data=fields, files={"x": b""})
