"""Videos in the console: taken in piece by piece, refused with a reason, shown in parts, to those who may."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assent import Assent
from assent.console import wording
from assent.console.media import part_of
from assent.console.sessions import Sessions
from assent.server.app import ServerApp
from assent.server.rooms import Rooms
from assent.service.jobfiles import upload_path
from assent.store import JobState
from assent.store.access import Role
from tests.builders import agree
from tests.unit.console.builders import Consoles, Time, Visitor, text_of, token_of

PURPOSE = "club-photos"


def send(visitor: Visitor, clip: Path | bytes, **fields: str) -> Any:
    visitor.get("/videos/new")
    data = clip if isinstance(clip, bytes) else clip.read_bytes()
    return visitor.post(
        "/videos", {"what": "hide", "method": "blur", **fields}, files={"video": ("<b>party.mkv", data)}
    )


@pytest.fixture
def looked_at(consoles: Consoles, short_clip: Path) -> tuple[Visitor, str]:
    """A video in which everybody was hidden, and whoever sent it."""
    visitor = consoles.signed_in(Role.SEARCHER)
    path = send(visitor, short_clip).url.path
    assert consoles.assent.worker().work_once()
    return visitor, path


def files(assent: Assent) -> list[str]:
    folder = assent.settings.jobs_path
    return sorted(path.suffix for path in folder.iterdir()) if folder.is_dir() else []


def test_a_video_is_sent_watched_decided_about_and_destroyed(
    consoles: Consoles, short_clip: Path, clock: Any
) -> None:
    agree(consoles.assent, "ana")
    consoles.assent.collections.create("club", purpose=PURPOSE)
    visitor = consoles.signed_in(Role.SEARCHER)
    form = visitor.get("/videos/new").text
    assert "at most 10 GiB and 6 hours" in form
    answer = send(visitor, short_clip, what="find", collection="club")
    path = answer.url.path
    assert re.fullmatch(r"/videos/[0-9a-f-]{36}", path)
    assert "&lt;b&gt;party.mkv" in answer.text
    assert "<b>party" not in answer.text
    [job] = consoles.assent.jobs.list()
    assert (job.kind, job.collection, job.state) == ("redact-others", "club", JobState.QUEUED)
    sealed = upload_path(consoles.assent._ctx, job.id).read_bytes()
    assert short_clip.read_bytes()[100:200] not in sealed
    assert f'content="3;url={path}?again=1"' in visitor.get(path).text
    assert f'content="15;url={path}?again=21"' in visitor.get(f"{path}?again=20").text
    assert "http-equiv" not in visitor.get(f"{path}?again=off").text
    with consoles.assent._ctx.records.transaction() as tx:
        assert tx.claim_job("w", lease=timedelta(minutes=9), max_attempts=3, kinds=[job.kind])
        clock.advance(seconds=30)
        tx.renew_job(job.id, "w", lease=timedelta(minutes=9), progress=0.25)
    assert "25 %, about 2 minutes left" in text_of(visitor.get("/videos").text)
    assert "25 %, about 2 minutes left" in text_of(visitor.get(path).text)
    with consoles.assent._ctx.records.transaction() as tx:
        tx.release_job(job.id, "w")
    assert consoles.assent.worker().work_once()
    page = visitor.get(path).text
    assert "http-equiv" not in page
    assert "No copy is made yet" in text_of(page)
    assert re.search(r"Face 1 hidden 0:00\.\d to 0:0\d\.\d\. Play from there", text_of(page))
    assert visitor.get(f"{path}/strips/0").content[:3] == b"\xff\xd8\xff"
    assert visitor.get(f"{path}/strips/7").status_code == 404
    visitor.get(path)
    refused = visitor.post(f"{path}/render", {"track-0": "keep"})
    assert (refused.status_code, consoles.assent.worker().work_once()) == (400, False)
    assert "got 1 that none has" in refused.text
    assert re.search(r'id="track-0-keep"[^>]* checked', refused.text), "what was chosen is not lost"
    assert "made anew" in visitor.post(f"{path}/render", {"track-0": "keep", "by_hand": "yes"}).text
    assert consoles.assent.worker().work_once()
    page = visitor.get(path).text
    assert "After: 1 face hidden, 1 visible" in page
    assert "Decided by hand" in page
    copied = visitor.get(f"{path}/copy?download=1")
    assert copied.headers["content-disposition"] == 'attachment; filename="redacted.mp4"'
    assert copied.content[4:8] == b"ftyp"
    assert "destroyed at once" in visitor.get(f"{path}/delete").text
    assert "are destroyed" in visitor.post(f"{path}/delete").text
    assert (visitor.get(path).status_code, files(consoles.assent)) == (404, [])


def test_any_part_is_played_to_those_who_may_and_nothing_is_stored(
    consoles: Consoles, looked_at: tuple[Visitor, str]
) -> None:
    visitor, path = looked_at
    whole = visitor.get(f"{path}/original")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert (whole.headers["accept-ranges"], whole.headers["cache-control"]) == ("bytes", "no-store")
    data, size = whole.content, len(whole.content)
    for asked, got, says in (
        ("bytes=0-", data, f"bytes 0-{size - 1}/{size}"),
        ("bytes=10-19", data[10:20], f"bytes 10-19/{size}"),
        ("bytes=-5", data[-5:], f"bytes {size - 5}-{size - 1}/{size}"),
        (f"bytes=9-{10**12}", data[9:], f"bytes 9-{size - 1}/{size}"),
    ):
        visitor.headers = {"range": asked}
        part = visitor.get(f"{path}/original")
        assert (part.status_code, part.headers["content-range"], part.content) == (206, says, got), asked
    visitor.headers = {"range": f"bytes={size}-"}
    beyond = visitor.get(f"{path}/original")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    visitor.headers = {}
    for media in ("original", "copy", "strips/0"):
        answer = visitor.get(f"{path}/{media}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "media-src 'self'" in answer.headers["content-security-policy"]
    # to whom it may be shown
    for media in ("", "/original", "/copy", "/strips/0", "/delete"):
        assert consoles.signed_in(Role.REVIEWER, holder="rev").get(path + media).status_code == 403
        answer = consoles.visitor().client.get(path + media, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in")
    for act in ("/render", "/stop", "/delete"):
        reviewer = consoles.signed_in(Role.REVIEWER, holder="rev")
        reviewer.get("/")
        assert reviewer.post(path + act).status_code == 403
    # a sealed file that is damaged or gone
    [output] = consoles.assent.settings.jobs_path.glob("*.out")
    output.write_bytes(output.read_bytes()[:-1] + b"x")
    answer = visitor.get(f"{path}/copy")
    assert (answer.status_code, "damaged" in answer.text) == (503, True)
    output.unlink()
    assert visitor.get(f"{path}/copy").status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"what": "dance"}, 400, "choose what is to be done"),
        ({"what": "hide-others", "collection": "none"}, 404, "collection"),
        ({"method": "pixel"}, 400, "got another method"),
    ],
)
def test_a_form_that_cannot_be_used_is_shown_again_and_the_video_is_gone(
    consoles: Consoles, fields: dict[str, str], status: int, says: str
) -> None:
    consoles.assent.collections.create("club", purpose=PURPOSE)
    answer = send(consoles.signed_in(), b"a video", **fields)
    assert (answer.status_code, says in answer.text.lower()) == (status, True), answer.text
    assert 'id="video"' in answer.text
    assert (files(consoles.assent), consoles.assent.jobs.list()) == ([], ())


def test_a_page_that_looks_again_by_itself_keeps_no_session_alive(assent: Assent, short_clip: Path) -> None:
    passed = Time()
    consoles = Consoles.of(assent, sessions=Sessions(clock=passed, idle_s=100))
    visitor = consoles.signed_in(Role.SEARCHER)
    path = send(visitor, short_clip).url.path
    for looked_again in ("/videos?again=1", f"{path}?again=2", f"{path}/strips/0"):
        passed.now_s += 30
        assert visitor.get(looked_again).url.path == looked_again.partition("?")[0]
    passed.now_s += 30
    assert visitor.get(path).url.path == "/sign-in"
    visitor = consoles.signed_in(Role.SEARCHER, holder="again")
    for _ in range(5):
        passed.now_s += 90
        assert visitor.get(f"{path}?again=off").url.path == path


def test_no_video_or_an_empty_one_is_asked_for_again(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    answer = send(visitor, b"")
    assert (answer.status_code, "Choose a video first" in answer.text) == (400, True)
    visitor.get("/videos/new")
    assert visitor.post("/videos", {"what": "hide"}).status_code == 400
    assert files(consoles.assent) == []


def test_a_file_that_is_no_video_says_so_on_its_page(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    path = send(visitor, b"only text").url.path
    assert consoles.assent.worker().work_once()
    page = visitor.get(path).text
    assert "UnreadableVideo" in page
    assert "/proc" not in page
    assert files(consoles.assent) == []


def test_a_video_is_stopped(consoles: Consoles) -> None:
    visitor = consoles.signed_in()
    path = send(visitor, b"a video").url.path
    assert "Stopped" in visitor.post(f"{path}/stop").text
    assert "what was sent is destroyed" in visitor.get(path).text
    assert files(consoles.assent) == []


class Sending:
    """A form that comes in pieces; remembers what the server had on its disk meanwhile."""

    def __init__(self, assent: Assent, pieces: list[bytes], headers: dict[str, str]) -> None:
        self.assent, self.pieces, self.headers = assent, pieces, headers
        self.on_disk: list[int] = []
        self.num_taken = 0
        self.status = 0
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        self.on_disk.append(sum(p.stat().st_size for p in self.assent.settings.jobs_path.glob("*.in")))
        if self.num_taken == len(self.pieces):
            return {"type": "http.disconnect"}
        piece = self.pieces[self.num_taken]
        self.num_taken += 1
        return {
            "type": "http.request",
            "body": piece,
            "more_body": self.num_taken < len(self.pieces) or self.headers.get("x-cut") == "yes",
        }

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    def through(self, app: Any) -> Sending:
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/videos", "query_string": b"", "headers": headers}
        scope |= {"scheme": "http", "server": ("console.test", 80), "root_path": "", "http_version": "1.1"}
        asyncio.run(app(scope, self.receive, self.send))
        return self


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--xx\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


@pytest.fixture
def sending(consoles: Consoles) -> Callable[..., Sending]:
    """Makes a form of a video of so many MiB."""
    visitor = consoles.signed_in()
    visitor.get("/videos/new")
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())

    def make(
        *, mebibytes: int, token: str | None = None, token_last: bool = False, **headers: str
    ) -> Sending:
        shown = part("form_token", (token_of(visitor.page) if token is None else token).encode())
        fields = part("what", b"hide") + part("method", b"blur")
        begin = b'--xx\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
        video = [bytes(2**20)] * mebibytes
        pieces = (
            [begin, *video, b"\r\n", fields, shown] if token_last else [shown, fields, begin, *video, b"\r\n"]
        )
        base = {"host": "console.test", "cookie": cookies, "content-type": "multipart/form-data; boundary=xx"}
        return Sending(consoles.assent, [*pieces, b"--xx--\r\n"], base | headers)

    return make


async def nowhere(*_: Any) -> None:
    raise AssertionError


def test_a_video_is_on_the_disk_while_it_comes_and_never_whole_in_memory(
    consoles: Consoles, sending: Callable[..., Sending]
) -> None:
    """Through the gate, where every other upload ends at 32 MiB and is read before it is answered."""
    limit = consoles.assent.settings.max_upload_bytes
    rooms = Rooms.of(nowhere, nowhere, consoles.app, max_upload_bytes=limit)
    form = sending(mebibytes=40).through(ServerApp(consoles.assent, rooms))
    assert form.status == 303
    assert form.on_disk[20] > 10 * 2**20
    [job] = consoles.assent.jobs.list()
    assert upload_path(consoles.assent._ctx, job.id).stat().st_size > 40 * 2**20


@pytest.mark.parametrize(
    ("form", "status", "taken"),
    [
        ({"token": "wrong"}, 403, 0),
        ({"token": ""}, 403, 0),
        ({"token_last": True}, 403, 0),
        ({"sec-fetch-site": "cross-site"}, 403, 0),
        ({"cookie": ""}, 303, 0),
        ({"content-type": "text/plain"}, 400, 0),
        ({"content-type": "multipart/form-data"}, 400, 0),
        ({"x-cut": "yes"}, 400, 3),
    ],
)
def test_nothing_is_kept_of_a_form_that_is_not_this_sessions_or_is_cut_off(
    consoles: Consoles, sending: Callable[..., Sending], form: dict[str, Any], status: int, taken: int
) -> None:
    sent = sending(mebibytes=3, **form).through(consoles.app)
    assert sent.status == status
    assert max(sent.on_disk, default=0) <= taken * 2**20 + 2**20
    assert (files(consoles.assent), consoles.assent.jobs.list()) == ([], ())


def test_too_large_a_video_is_refused_with_the_limit_and_leaves_nothing(
    consoles: Consoles, sending: Callable[..., Sending], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = consoles.assent.settings.model_copy(update={"max_video_bytes": 2 * 2**20})
    monkeypatch.setattr(consoles.assent, "settings", small)
    monkeypatch.setattr(consoles.assent._ctx, "settings", small)
    for declared in ({}, {"content-length": str(9 * 2**20)}):
        sent = sending(mebibytes=9, **declared).through(consoles.app)
        assert (sent.status, b"at most 2,097,152 bytes" in sent.body) == (413, True)
        assert sent.num_taken == len(sent.pieces), "read to the end, so that the browser comes to show it"
        assert max(sent.on_disk) < 3 * 2**20
    assert files(consoles.assent) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (0, 10, False)),
        ("bytes=", (0, 10, False)),
        ("bytes=-", (0, 10, False)),
        ("bytes=1-2,4-5", (0, 10, False)),
        ("bytes=5-3", (0, 10, False)),
        ("pages=1-2", (0, 10, False)),
        ("bytes=0-0", (0, 1, True)),
        ("bytes=-99", (0, 10, True)),
        ("bytes=-0", None),
        ("bytes=10-", None),
    ],
)
def test_ranges(text: str, found: object) -> None:
    assert part_of(text, 10) == found


def test_moments_and_waits_in_words() -> None:
    assert [wording.clock(s) for s in (0, 3.25, 59.99, 60, 3723)] == [
        "0:00.0",
        "0:03.2",
        "0:59.9",
        "1:00.0",
        "1:02:03.0",
    ]
    assert [wording.about(s) for s in (1, 44, 58, 130, 7300)] == [
        "about 10 seconds",
        "about 40 seconds",
        "about 1 minute",
        "about 2 minutes",
        "about 2 hours",
    ]
