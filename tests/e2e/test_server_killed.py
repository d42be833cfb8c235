"""A server killed at any moment, again and again, under clients that enrol, search and withdraw: what it said is so.

No acknowledged write is lost; nobody is half withdrawn, in searches, records or raw bytes; the log goes on and
verifies with every checkpoint that was ever kept.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from botocore.exceptions import BotoCoreError

from assent import Assent
from assent.ledger.checkpoint import Checkpoint
from tests.builders import make_settings
from tests.e2e.cli import NOTICE, PURPOSE, Cli
from tests.e2e.servers import Key, Served, make_key, numbered, start
from tests.e2e.test_killed import assert_whole

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

CLIENTS = 4
CONSENT = {
    "purpose": PURPOSE,
    "controller": "Club",
    "notice_text": NOTICE,
    "notice_version": "killed",
    "language": "en",
    "method": "online-form",
    "evidence_sha256": "ab" * 32,
    "days": 30,
}


@dataclass
class Book:
    """What the clients were told, and what they had asked for when the end came.

    Attributes:
        people: refs that were added.
        consents: consent ids by ref.
        enrolled: face ids by ref.
        sealed: the sealed template as it stood in the database, by ref.
        leaving: refs whose withdrawal was asked for.
        left: refs whose withdrawal was acknowledged.
        num_searches: answered.
    """

    people: set[str] = field(default_factory=set)
    consents: dict[str, str] = field(default_factory=dict)
    enrolled: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, bytes] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    num_searches: int = 0

    @property
    def num_acts(self) -> int:
        """Acknowledgements so far."""
        return len(self.people) + len(self.consents) + len(self.enrolled) + len(self.left) + self.num_searches


def live_a_life(
    server: Served, wire: Any, key: Key, cli: Cli, photo: bytes, book: Book, name: str, seed: float
) -> None:
    """One client: people come, are enrolled, searched for, and mostly leave again; until the connection breaks."""
    chance, number = random.Random(seed), 0
    with server.rest(key) as rest:
        while True:
            number += 1
            ref = f"{name}-{number}"
            rest.post("/people", json={"ref": ref}).raise_for_status()
            book.people.add(ref)
            given = rest.post(f"/people/{ref}/consents", json=CONSENT).raise_for_status().json()
            book.consents[ref] = given["id"]
            [record] = wire.index_faces(
                CollectionId="club", Image={"Bytes": numbered(photo, ref)}, ExternalImageId=ref
            )["FaceRecords"]
            book.enrolled[ref] = record["Face"]["FaceId"]
            book.sealed[ref] = sealed_template(cli.data, book.enrolled[ref])
            found = wire.search_faces_by_image(CollectionId="club", Image={"Bytes": photo}, MaxFaces=4096)
            book.num_searches += 1
            assert ref in {match["Face"]["ExternalImageId"] for match in found["FaceMatches"]}
            if chance.random() < 0.8:
                book.leaving.add(ref)
                rest.post(f"/consents/{given['id']}/withdraw", json={}).raise_for_status()
                book.left.add(ref)


def sealed_template(data: Path, face_id: str) -> bytes:
    """A template as it is on the disk, read past our own code."""
    database = sqlite3.connect(f"file:{data / 'records.sqlite3'}?mode=ro", uri=True, timeout=10)
    try:
        [row] = database.execute("SELECT sealed FROM templates WHERE id = ?", (face_id,)).fetchall()
    finally:
        database.close()
    return bytes(row[0])


def run_until_killed(
    server: Served, lives: Sequence[Callable[[], None]], is_time: Callable[[], bool]
) -> list[BaseException]:
    """Let clients live until it is time, and kill the server; what ended them."""
    ends: list[BaseException] = []

    def live(life: Callable[[], None]) -> None:
        try:
            life()
        except BaseException as end:  # noqa: BLE001 - looked at by the test
            ends.append(end)

    threads = [threading.Thread(target=live, args=[life]) for life in lives]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + 60
    while not is_time() and time.monotonic() < deadline_s and not ends:
        time.sleep(0.002)
    server.kill()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert server.process.stdout is not None
    server.process.stdout.close()
    return ends


def check(cli: Cli, engine: FaceEngine, book: Book, photo: bytes, kept: list[Checkpoint]) -> None:
    """Open the folder again and hold it to what the clients were told; checkpoints are added to ``kept``."""
    settings = make_settings(cli.data.parent, cli.models)
    with Assent(settings=settings, actor="tester", engine=engine) as assent:
        people = {person.ref for person in assent.people.list()}
        consents = {consent.id: consent for consent in assent.consents.list()}
        templates = {template.person_ref: template.id for template in assent.collections.templates("club")}
        now = assent.now()
        assert book.people <= people
        assert set(book.consents.values()) <= set(consents)
        gone = {ref for ref in book.leaving if not consents[book.consents[ref]].is_live(now)}
        assert book.left <= gone
        for ref, face_id in book.enrolled.items():
            assert templates.get(ref) == (None if ref in gone else face_id), ref
            assert (assent.consents.receipt(book.consents[ref]) is not None) == (ref in gone), ref
        result = assent.search(photo, collection="club", purpose=PURPOSE, max_candidates=4096)
        found = {candidate.person for candidate in result.candidates}
        assert found & book.people == (set(book.enrolled) - gone) | (set(templates) & book.people)
        kept += [checkpoint for checkpoint in assent.logbook.checkpoints() if checkpoint not in kept]
        assent.logbook.verify(kept=kept)
        num_logged = Counter(entry["kind"] for entry in assent.logbook.entries())["search"]
        assert book.num_searches <= num_logged
    files = {path.name: path.read_bytes() for path in cli.data.rglob("*") if path.is_file()}
    for ref in gone & set(book.sealed):
        assert not [name for name, raw in files.items() if book.sealed[ref] in raw], ref
    for ref in set(book.sealed) - gone:
        assert book.sealed[ref] in files["records.sqlite3"]  # the look above finds what is there


@pytest.mark.parametrize(
    "num_kills", [pytest.param(2, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.slow)]
)
def test_killed_under_load(club: Cli, engine: FaceEngine, demo_photos: Path, num_kills: int) -> None:
    photo = (demo_photos / "obama3.jpg").read_bytes()
    key = make_key(club)
    chance = random.Random(num_kills)
    book, kept = Book(), list[Checkpoint]()
    for kill in range(num_kills):
        server = start(club, env={"ASSENT_CHECKPOINT_EVERY_S": "0.3", "ASSENT_SWEEP_EVERY_S": "0.5"})

        clients = [server.rekognition(key) for _ in range(CLIENTS)]
        lives = [
            partial(live_a_life, server, client, key, club, photo, book, f"k{kill}-{number}", chance.random())
            for number, client in enumerate(clients)
        ]
        acts = book.num_acts + chance.randint(CLIENTS, 12 * CLIENTS)
        pause_s = chance.uniform(0, 0.2)  # the last act was acknowledged; the next are anywhere

        def is_time(acts: int = acts, pause_s: float = pause_s) -> bool:
            if book.num_acts < acts:
                return False
            time.sleep(pause_s)
            return True

        ends = run_until_killed(server, lives, is_time)
        assert len(ends) == CLIENTS
        assert all(isinstance(end, BotoCoreError | httpx2.TransportError) for end in ends), ends
        check(club, engine, book, photo, kept)
        assert_whole(club)
    assert book.left, "nobody came to leave"
    assert len(kept) > num_kills // 2
    print(
        f"{num_kills} kills: {len(book.people)} people, {len(book.enrolled)} enrolled, {book.num_searches} searches, "
        f"{len(book.left)} of {len(book.leaving)} withdrawals acknowledged, {len(kept)} checkpoints"
    )
