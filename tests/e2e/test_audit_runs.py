"""Audits with pictures from the command line: our engine, a service on the wire, and a run that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.audits import numbers, small_congress
from tests.e2e.cli import Cli
from tests.unit.evaluation.paper import paper, write_people
from tests.unit.evaluation.runs.builders import RekognitionStub, serving

# Processes and whole stories; by default the rooms behind them are tried, and all of this with `make test-slow`.
pytestmark = pytest.mark.slow

AWS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
QUICK = ("--replicates", 100)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "people"
    write_people(folder, 8, pictures=2)
    return folder


@pytest.fixture
def stub() -> Iterator[RekognitionStub]:
    with serving(RekognitionStub(paper())) as one:
        yield one


@pytest.fixture
def auditor(tmp_path: Path, models_dir: Path) -> Cli:
    """A command line whose data folder is not there, and must not be made."""
    return Cli(tmp_path / "data", models_dir, AWS)


def test_a_service_is_measured_and_reported(auditor, stub, people, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("subject,sex\n" + "".join(f"person{n:03},{'FM'[n % 2]}\n" for n in range(8)))
    out, scores, sheet = (tmp_path / name for name in ("r.html", "s.csv", "sheet.png"))
    words = ["audit", "verify", "--images", people, "--endpoint", stub.url, "--labels", labels, *QUICK]
    printed = auditor.ok(*words, "--out", out, "--scores", scores, "--sheet", sheet, "--gallery-size", 100)
    assert "In the gallery of 100 that was asked about" in printed
    assert f"Wrote {out}" in printed
    assert len(stub.calls) == 16 * 15 // 2
    assert "By sex" in out.read_text()
    assert sheet.read_bytes().startswith(b"\x89PNG")
    twin = json.loads((tmp_path / "r.json").read_text())
    assert twin["result"]["kind"] == "verify"
    assert scores.read_text().startswith(
        "probe,reference,score,mated,probe_subject,reference_subject,probe_sex"
    )
    assert (tmp_path / "r.work").exists()
    again = auditor.ok("audit", "scores", scores, *QUICK, "--out", tmp_path / "again.html")
    assert "Wrote" in again
    same = json.loads((tmp_path / "again.json").read_text())["result"]
    assert same["point"]["fmr"] == twin["result"]["point"]["fmr"]
    assert [row["fnmr"] for row in same["groups"][0]["rows"]] == [
        row["fnmr"] for row in twin["result"]["groups"][0]["rows"]
    ]
    assert "<svg" in (tmp_path / "again.html").read_text()
    assert not auditor.data.exists()


def test_a_killed_run_goes_on_and_ends_the_same(auditor, stub, people, tmp_path):
    words = ["audit", "verify", "--images", people, "--endpoint", stub.url, *map(str, QUICK), "--json"]
    whole = json.loads(auditor.ok(*words, "--work", tmp_path / "whole.work"))
    stub.calls = []
    command = [sys.executable, "-m", "assent", *map(str, words), "--work", str(tmp_path / "w")]
    process = subprocess.Popen(
        command,
        env={**os.environ, **auditor.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(stub.calls) < 20 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    asked_before = len(stub.calls)
    assert 20 <= asked_before < 120
    again = json.loads(auditor.ok(*words, "--work", tmp_path / "w"))
    assert numbers(again) == numbers(whole)
    assert again["run"]["num_resumed"] >= asked_before - 1
    assert len(stub.calls) <= 120 + 1  # at most the one under way is asked twice


def test_a_service_is_searched_and_its_collection_is_taken_away(auditor, stub, people, tmp_path):
    for side, picture in (("probes", "0.png"), ("gallery", "1.png")):
        (tmp_path / side).mkdir()
        for folder in sorted(people.iterdir()):
            shutil.copy(folder / picture, tmp_path / side / f"{folder.name}.png")
    mates = "".join(f"person{n:03},{f'person{n:03}' if n < 5 else ''},{'FM'[n % 2]}\n" for n in range(8))
    (tmp_path / "mates.csv").write_text("probe,mate,sex\n" + mates)
    printed = auditor.ok(
        *("audit", "identify", "--probes", tmp_path / "probes", "--gallery", tmp_path / "gallery"),
        *("--mates", tmp_path / "mates.csv", "--endpoint", stub.url, "--threshold", 90, *QUICK),
        *("--out", tmp_path / "r.html"),
    )
    assert "in a gallery of 3" in printed
    assert stub.collections == {}
    assert (
        json.loads((tmp_path / "r.json").read_text())["result"]["identification"]["num_mated_searches"] == 5
    )


def test_what_is_asked_wrongly_is_refused_before_anything_is_asked(auditor, stub, people, tmp_path):
    verify = ["audit", "verify", "--images", people]
    for words, said in (
        (["audit", "verify"], "expected --images DIR"),
        ([*verify, "--trials", "x.csv"], "give one of the two"),
        ([*verify, "--endpoint", stub.url, "--aws"], "got both"),
        ([*verify, "--endpoint", "localhost:8080"], "begins with http:// or https://"),
        ([*verify, "--endpoint", stub.url, "--out", tmp_path / "r.pdf"], "ends in .html"),
        (["audit", "congress", "--data", tmp_path], "docs/audit.md says where to get the pictures"),
    ):
        printed = auditor(*words)
        assert printed.code == 2
        assert said in printed.err
    assert stub.calls == []


def test_a_service_that_is_not_there_is_an_error_with_a_code_of_its_own(
    auditor, people, tmp_path, monkeypatch
):
    import assent.evaluation.runs.calls as calls

    monkeypatch.setattr(calls, "MAX_ERRORS_IN_A_ROW", 1)
    printed = auditor(
        *("audit", "verify", "--images", people, "--endpoint", "http://127.0.0.1:9", "--json"),
        *("--work", tmp_path / "w"),
    )
    assert printed.code == 15
    assert printed.error()["error"] == "EndpointError"
    assert "nothing that was done is lost" in printed.error()["message"]


def test_our_engine_on_photographs(auditor, one_engine, demo_photos, tmp_path):
    rows = ["obama.jpg,obama2.jpg,1", "obama.jpg,biden.jpg,0", "obama2.jpg,biden.jpg,0"]
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg"):
        shutil.copy(demo_photos / name, tmp_path / name)
    (tmp_path / "trials.csv").write_text("probe,reference,mated\n" + "\n".join(rows) + "\n")
    printed = auditor.ok("audit", "verify", "--trials", tmp_path / "trials.csv", "--threshold", 0.9, *QUICK)
    assert "How often Assent's engine, recipe trees-landmarks-mirrored is wrong" in printed
    assert (
        "Two pictures of one person are not recognised as such 0 % of the time" in printed
        or "missed" in printed
    )
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "biden.jpg",
        "obama.jpg",
        "obama2.jpg",
        "trials.csv",
    ]  # no work file, no template
    assert not auditor.data.exists()


def test_the_congress_experiment(auditor, one_engine, shared_data, tmp_path):
    data = small_congress(shared_data, tmp_path / "congress", 12, 20)
    out, sheet = tmp_path / "r.html", tmp_path / "sheet.png"
    printed = auditor.ok("audit", "congress", "--data", data, "--out", out, "--sheet", sheet, *QUICK)
    assert "At a threshold of Similarity 80, the protocol's default, in a gallery of " in printed
    twin = json.loads((tmp_path / "r.json").read_text())
    rules = {rule["name"]: rule for rule in twin["rules"]}
    assert list(rules) == [
        "Similarity 80",
        "Similarity 99",
        "Assent's floor, default policy",
        "Assent's floor, strict policy",
        "Raw distance 0.6",
    ]
    assert rules["Similarity 99"]["result"] is None
    habit = rules["Raw distance 0.6"]["result"]["identification"]
    floor = rules["Assent's floor, default policy"]["result"]["identification"]
    assert habit["fpir"]["num_errors"] >= floor["fpir"]["num_errors"]
    assert {row["name"] for row in twin["result"]["groups"][0]["rows"]} == {"women", "men"}
    shown = rules["Raw distance 0.6"]["false_matches"]
    assert out.read_text().count("data:image/jpeg") >= len(shown) > 0
    assert all(pair["first_image"].startswith("probes/") for pair in shown)
    assert not auditor.data.exists()


def test_a_picture_that_is_listed_and_not_there_is_named(auditor, one_engine, shared_data, tmp_path):
    data = small_congress(shared_data, tmp_path / "congress", 2, 2)
    victim = next((data / "gallery").iterdir())
    victim.unlink()
    printed = auditor("audit", "congress", "--data", data)
    assert printed.code == 2
    assert f"gallery/{victim.name} is not there" in printed.err
