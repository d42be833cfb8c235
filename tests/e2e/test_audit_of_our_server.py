"""The audit against a real ``assent serve``: consents, throttling, a kill in the middle, and nothing left behind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.audits import numbers, small_congress
from tests.e2e.cli import Cli
from tests.e2e.servers import REGION, Key, Served, make_key, served

pytestmark = pytest.mark.slow

NARROW = {"ASSENT_MAX_WAITING": "1", "ASSENT_MAX_CONCURRENT": "1"}
QUICK = ("--replicates", "100")
PURPOSE = "an-audit"


@pytest.fixture
def house(empty: Cli) -> Iterator[tuple[Served, Key, Cli]]:
    """A server that throttles early, its key, and an auditor's command line without a data folder."""
    key = make_key(empty)
    aws = {
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    auditor = Cli(empty.data.parent / "auditor", empty.models, aws)
    with served(empty, env=NARROW) as server:
        yield server, key, auditor


@contextmanager
def busy(server: Served, key: Key, photo: bytes, num_clients: int = 4) -> Iterator[None]:
    """Others who keep the server at work."""
    stop = threading.Event()

    def ask() -> None:
        wire = server.rekognition(key)
        while not stop.is_set():
            try:
                wire.detect_faces(Image={"Bytes": photo})
            except wire.exceptions.ThrottlingException:
                time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(num_clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def agree_all(owner: Cli, data: Path) -> Path:
    """Add everybody in the gallery with a consent; the list of external ids."""
    listing = data.parent / "external.csv"
    with (data / "gallery.csv").open() as file:
        references = [row["reference"] for row in csv.DictReader(file)]
    for reference in references:
        owner.ok("person", "add", f"person-{reference}", "--name", f"Member {reference}")
        owner.agree(f"person-{reference}", data.parent, purpose=PURPOSE)
    rows = "".join(f"{reference},person-{reference}\n" for reference in references)
    listing.write_text("reference,external_id\n" + rows)
    return listing


def test_the_experiment_on_our_server_needs_consents_and_survives_a_kill(
    house, empty, shared_data, demo_photos, tmp_path
):
    server, key, auditor = house
    data = small_congress(shared_data, tmp_path / "congress", 10, 14)
    words = ["audit", "congress", "--data", data, "--endpoint", server.url, *QUICK]
    words += ["--tag", f"assent:purpose={PURPOSE}"]
    refused = auditor(*words, "--work", tmp_path / "refused.work")
    assert refused.code == 15
    assert "it enrols nobody without a consent" in refused.err
    wire = server.rekognition(key)
    left = wire.list_collections()["CollectionIds"]
    assert len(left) == 1  # it stays, so that the run can go on; its name is in the error
    assert left[0] in refused.err
    wire.delete_collection(CollectionId=left[0])

    words += ["--external-ids", agree_all(empty, data)]
    whole = tmp_path / "whole.html"
    auditor.ok(*words, "--out", whole)
    assert wire.list_collections()["CollectionIds"] == []

    out = tmp_path / "killed.html"
    command = [sys.executable, "-m", "assent", *map(str, words), "--out", str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, **auditor.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    work, deadline = out.with_suffix(".work"), time.monotonic() + 120
    while time.monotonic() < deadline and (not work.exists() or work.read_text().count("\n") < 30):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    (name,) = wire.list_collections()["CollectionIds"]
    with busy(server, key, (demo_photos / "obama.jpg").read_bytes()):
        auditor.ok(*words, "--out", out)
    assert wire.list_collections()["CollectionIds"] == [], name
    again, before = (json.loads(path.with_suffix(".json").read_text()) for path in (out, whole))
    assert again["run"]["num_resumed"] > 0
    assert numbers(again) == numbers(before)
    rules = {rule["name"]: rule["result"] for rule in again["rules"]}
    assert list(rules) == ["Similarity 80", "Similarity 99"]
    assert rules["Similarity 80"]["identification"]["num_mated_searches"] > 0
    assert not auditor.data.exists()


def test_comparisons_are_throttled_and_come_out_the_same(house, shared_data, demo_photos, tmp_path):
    server, key, auditor = house
    people = tmp_path / "people"
    several = (d for d in sorted((shared_data / "lfw").iterdir()) if len(list(d.glob("*.jpg"))) > 1)
    for _, folder in zip(range(4), several, strict=False):
        (people / folder.name).mkdir(parents=True)
        for picture in sorted(folder.glob("*.jpg"))[:2]:
            shutil.copy(picture, people / folder.name)
    words = ["audit", "verify", "--images", people, "--endpoint", server.url, "--threshold", "80", *QUICK]
    calm = json.loads(auditor.ok(*words, "--work", tmp_path / "calm.work", "--json"))
    with busy(server, key, (demo_photos / "obama.jpg").read_bytes(), num_clients=8):
        crowded = json.loads(auditor.ok(*words, "--work", tmp_path / "crowded.work", "--json"))
    assert numbers(crowded) == numbers(calm)
    assert calm["result"]["data"]["num_mated"] == 4
    assert calm["run"]["errors"] == {}
    throttled = [line for line in server.log() if "ThrottlingException" in json.dumps(line)]
    assert throttled or crowded["run"]["num_throttled"]
