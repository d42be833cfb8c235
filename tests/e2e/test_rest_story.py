"""The whole story over a real socket: a yes, a match with its error rate, a no, and the proof of it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from assent import Assent
from assent.service.logbook import read_checkpoints, read_keys, verify_export, verify_proof
from assent.store.access import Role
from tests.e2e.ports import listening
from tests.unit.rest.builders import mounted

PURPOSE = "club-photos"
NOTICE = "We keep a template of your face to find you in the club's photos."


class Desk:
    """Somebody at the other end, with a key of their own."""

    def __init__(self, address: str, auth: tuple[str, str]) -> None:
        self.auth = auth
        self.client = httpx2.Client(base_url=f"{address}/v1", auth=auth, timeout=60)

    def ok(self, method: str, path: str, **options: Any) -> Any:
        response = self.client.request(method, path, **options)
        assert response.is_success, response.text
        return response.json() if response.content else None


@pytest.fixture
def address(assent: Assent) -> Iterator[str]:
    with listening(mounted(assent)) as at:
        yield at


@pytest.fixture
def desks(assent: Assent, address: str) -> Iterator[dict[str, Desk]]:
    made = {role.value: assent.access.make(f"{role.value}-desk", [role]) for role in Role}
    desks = {name: Desk(address, (key.key.id, key.secret)) for name, key in made.items()}
    yield desks
    for desk in desks.values():
        desk.client.close()


def photo(folder: Path, name: str) -> dict[str, Any]:
    return {"image": (name, (folder / name).read_bytes(), "image/jpeg")}


def test_the_whole_story(desks: dict[str, Desk], demo_photos: Path) -> None:
    enroller, searcher, admin = desks["enroller"], desks["searcher"], desks["admin"]

    # a yes
    enroller.ok("POST", "/people", json={"ref": "ana", "name": "Ana Lovelace"})
    consent = enroller.ok(
        "POST",
        "/people/ana/consents",
        json={
            "purpose": PURPOSE,
            "controller": "Chess Club",
            "notice_text": NOTICE,
            "notice_version": "2026-01",
            "language": "en",
            "method": "written-signature",
            "evidence_base64": base64.b64encode(b"signed by ana").decode(),
            "days": 365,
        },
    )
    assert enroller.ok("GET", f"/consents/{consent['id']}")["notice_text"] == NOTICE

    # enrolled
    enroller.ok("POST", "/collections", json={"name": "club", "purpose": PURPOSE})
    for name in ("obama.jpg", "obama2.jpg"):
        enroller.ok(
            "POST",
            "/collections/club/templates",
            files=photo(demo_photos, name),
            data={"person": "ana"},
        )
    assert enroller.ok("GET", "/collections/club")["num_people"] == 1

    # found, with an error rate; a stranger is nobody
    def found(name: str) -> list[dict[str, Any]]:
        answer = searcher.ok(
            "POST", "/collections/club/search", files=photo(demo_photos, name), data={"purpose": PURPOSE}
        )
        return [candidate for face in answer["faces"] for candidate in face["candidates"]]

    [candidate] = found("obama3.jpg")
    assert candidate["person"] == "ana"
    assert candidate["similarity"] > 80
    assert 0 < candidate["fmr_at_score"] < 0.001
    assert found("biden.jpg") == []
    kept = admin.ok("POST", "/log/checkpoints")

    # a no: the same search is empty, and there is a receipt
    receipt = enroller.ok("POST", f"/consents/{consent['id']}/withdraw", json={"channel": "e-mail"})
    assert [part["num_destroyed"] for part in receipt["destroyed"]] == [2]
    assert found("obama3.jpg") == []
    assert enroller.ok("GET", f"/consents/{consent['id']}/receipt") == receipt
    assert enroller.ok("GET", "/collections/club")["num_people"] == 0

    # the log says so, to who was not there too
    audit = admin.ok("POST", "/log/verify", json={"checkpoints": kept["text"]})
    assert audit["is_intact"]
    keys = read_keys(admin.ok("GET", "/log/public-keys")["public_keys"])
    verify_proof(admin.client.get(f"/log/entries/{receipt['log_seq']}/proof").text, keys)
    verify_proof(admin.client.post("/log/consistency", json={"checkpoint": kept["text"]}).text, keys)
    export = admin.client.get("/log/export").text
    assert verify_export(export, kept=read_checkpoints(kept["text"]), keys=keys).num_entries > 10
    assert "Ana" not in export
    searches = admin.ok("GET", "/log/entries", params={"kind": "search"})["items"]
    assert [len(entry["body"]["candidates"]) for entry in searches] == [1, 0, 0]
    assert {entry["actor"] for entry in searches} == {f"searcher-desk/{searcher.auth[0]}"}


def test_nothing_answers_without_a_key(address: str) -> None:
    for path in ("/v1/health", "/v1/openapi.json", "/v1/people", "/v1/nowhere"):
        response = httpx2.get(f"{address}{path}")
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic ")
    document = httpx2.get(f"{address}/v1/openapi.json", auth=("ASNT234567ABCDEFGHIJ", "x"))
    assert document.status_code == 401


def test_curl_is_enough(desks: dict[str, Desk], address: str, demo_photos: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")

    def run(*words: str) -> Any:
        command = [curl, "--silent", "--user", ":".join(desks["admin"].auth), *words]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)

    answer = run("--form", f"image=@{demo_photos / 'obama.jpg'}", f"{address}/v1/detect")
    assert len(answer["faces"]) == 1
    large = run("--form", f"image=@{demo_photos / 'obama.jpg'}", "--form", "x=y", f"{address}/v1/detect")
    assert large["error"] == "InvalidRequest"


def test_a_body_that_is_too_large_is_cut_off(desks: dict[str, Desk], address: str) -> None:
    """The connection is answered and closed, long before the body is at its end."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(4000):
            sent += 2**20
            yield b"x" * 2**20

    headers = {"content-type": "application/json"}
    try:
        response = desks["admin"].client.post("/people", content=endless(), headers=headers)
        assert response.status_code == 413
    except (httpx2.WriteError, httpx2.ReadError, httpx2.RemoteProtocolError):
        pass  # the server answered and closed while more was being sent
    assert sent < 200 * 2**20
    assert desks["admin"].ok("GET", "/health")["status"] == "ok"
