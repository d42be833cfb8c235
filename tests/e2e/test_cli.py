"""The command line from a yes to a no: what it prints, as tables and as JSON, and how it exits."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assent.types import UInt8
from assent.version import __version__
from tests.e2e.cli import NOTICE, PURPOSE, Cli

SEARCH = ("-c", "club", "-p", PURPOSE)


def words(text: str) -> set[str]:
    return set(text.replace("\n", " ").split())


def pixels(path: Path) -> UInt8:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def leaves(value: Any) -> set[str]:
    """Every plain value of a JSON document, as text."""
    if isinstance(value, dict):
        return set().union(*map(leaves, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(leaves, value)) if value else set()
    return {str(value)}


# --- people


def test_people_are_added_listed_and_erased(empty: Cli, tmp_path: Path) -> None:
    assert empty.ok("person", "list") == "People: none\n"
    assert empty.json("person", "list") == []
    added = empty.json("person", "add", "ana", "--name", "Ana [b]Lovelace[/b] [/]")
    assert (added["ref"], added["name"]) == ("ana", "Ana [b]Lovelace[/b] [/]")
    assert "consent record bob" in empty.ok("person", "add", "bob")
    consent = empty.agree("ana", tmp_path)
    [ana, bob] = empty.json("person", "list")
    assert (ana["person"]["ref"], ana["live_purposes"]) == ("ana", [PURPOSE])
    assert (bob["person"]["name"], bob["live_purposes"]) == (None, [])
    table = empty.ok("person", "list")
    assert "Ana [b]Lovelace[/b] [/]" in table
    assert PURPOSE in table

    dry = empty.json("person", "erase", "ana")
    assert dry == {"dry_run": True, "person": "ana", "would_withdraw": [consent]}
    assert "Nothing was done" in empty.ok("person", "erase", "ana")
    assert len(empty.json("person", "list")) == 2
    [receipt] = empty.json("person", "erase", "ana", "--yes")
    assert receipt["consent_id"] == consent
    assert [p["person"]["ref"] for p in empty.json("person", "list")] == ["bob"]
    assert empty("person", "erase", "ana", "--yes").code == 5
    assert "0 consents withdrawn" in empty.ok("person", "erase", "bob", "-y")


# --- consents


def test_a_consent_is_recorded_with_every_field(empty: Cli, tmp_path: Path) -> None:
    empty.ok("person", "add", "ana")
    notice, evidence = tmp_path / "notice.txt", tmp_path / "signed.pdf"
    notice.write_text(NOTICE)
    evidence.write_bytes(b"a signature")
    common = ("consent", "record", "ana", "-p", PURPOSE, "--controller", "Club", "--notice", notice)
    options = ("--notice-version", "2026-01", "--language", "pt-BR", "--method", "online-form")
    made = empty.json(*common, "--evidence", evidence, "--until", "2099-12-31", *options)
    assert made["evidence_sha256"] == hashlib.sha256(b"a signature").hexdigest()
    assert made["expires_at"].startswith("2100-01-01T00:00:00")
    assert (made["controller"], made["method"], made["purpose"]) == ("Club", "online-form", PURPOSE)
    assert (made["notice_version"], made["notice_language"]) == ("2026-01", "pt-BR")
    assert made["notice_sha256"] == hashlib.sha256(NOTICE.encode()).hexdigest()

    by_hash = empty.json(*common, "--evidence", "AB" * 32, "--days", "7", "--legal-basis", "explicit consent")
    assert by_hash["evidence_sha256"] == "ab" * 32
    assert by_hash["legal_basis"] == "explicit consent"
    shown = empty.json("consent", "show", made["id"])
    assert shown == {**made, "is_live": True}
    table = empty.ok("consent", "show", made["id"])
    assert [str(value) for value in made.values() if value is not None and str(value) not in table] == []
    assert [row["id"] for row in empty.json("consent", "list", "ana")] == [made["id"], by_hash["id"]]
    listing = words(empty.ok("consent", "list"))
    assert {made["id"], by_hash["id"], "ana", "live", PURPOSE} <= listing


GOOD = {
    "-p": PURPOSE,
    "--controller": "Club",
    "--notice": "notice.txt",
    "--evidence": "signed.pdf",
    "--days": "30",
}


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"-p": "Club Photos"}, 7, "purpose"),
        ({"--controller": " "}, 7, "controller"),
        ({"--controller": "x" * 500}, 7, "controller"),
        ({"--notice": "absent.txt"}, 5, "absent.txt"),
        ({"--notice": "."}, 7, "notice"),
        ({"--notice": "empty"}, 7, "notice"),
        ({"--notice": "latin1.txt"}, 7, "UTF-8"),
        ({"--notice": "https://example.org/notice.txt"}, 2, "never fetched"),
        ({"--evidence": "absent.pdf"}, 5, "absent.pdf"),
        ({"--evidence": "empty"}, 7, "evidence"),
        ({"--evidence": "."}, 7, "evidence"),
        ({"--evidence": "z" * 64}, 5, "no file"),
        ({"--evidence": "é" * 200}, 7, "evidence"),
        ({"--days": "0"}, 2, "--days"),
        ({"--days": "-3"}, 2, "--days"),
        ({"--days": "999999999999"}, 2, "--days"),
        ({"--days": None}, 7, "term"),
        ({"--until": "2099-01-01"}, 7, "term"),
        ({"--days": None, "--until": "2001-01-01"}, 7, "expires_at"),
        ({"--days": None, "--until": "next week"}, 7, "--until"),
        ({"--days": None, "--until": "9999-12-31"}, 7, "--until"),
        ({"--days": None, "--until": "2099-02-30"}, 7, "--until"),
        ({"--method": "a nod"}, 7, "method"),
        ({"--language": "english!"}, 7, "language"),
        ({"--notice-version": "v 1"}, 7, "version"),
        ({"--legal-basis": "\n"}, 7, "legal_basis"),
        ({"-p": None}, 2, "--purpose"),
        ({"--controller": None}, 2, "--controller"),
    ],
)
def test_a_malformed_consent_is_refused_whole(
    empty: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str | None],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notice.txt").write_text(NOTICE)
    Path("latin1.txt").write_bytes("é".encode("latin-1"))
    Path("signed.pdf").write_text("signed")
    Path("empty").touch()
    empty.ok("person", "add", "ana")
    before = empty.json("log", "show")
    given = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    command = ["consent", "record", "ana", *(word for pair in given.items() for word in pair)]
    printed = empty(*command)
    assert (printed.code, printed.out) == (code, ""), printed
    assert printed.err.count("\n") == 1
    assert says in printed.err
    error = empty(*command, "--json").error()
    assert error["exit_code"] == code
    assert empty.json("consent", "list") == []
    assert empty.json("log", "show") == before  # no notice either


def test_withdrawal_and_its_receipt(club: Cli, demo_photos: Path) -> None:
    [consent] = club.json("consent", "list", "ana")
    id_ = consent["id"]
    dry = club.json("consent", "withdraw", id_)
    assert dry == {"dry_run": True, "consent": id_, "would_destroy_templates": 2}
    said = club.ok("consent", "withdraw", id_)
    assert "destroy 2 templates" in said
    assert "add --yes" in said
    assert club.json("consent", "show", id_)["is_live"]

    receipt = club.json("consent", "withdraw", id_, "--yes", "--reason", "moved away")
    assert (receipt["consent_id"], [d["num_destroyed"] for d in receipt["destroyed"]]) == (id_, [2])
    assert club.json("consent", "withdraw", id_, "--yes") == receipt  # the same no, the same receipt
    table = club.ok("consent", "withdraw", id_, "--yes")
    for part in ("id", "consent_id", "person_id", "log_leaf_sha256", "proves", "does_not_prove"):
        assert receipt[part] in table
    assert "2 templates" in table
    shown = club.json("consent", "show", id_)
    assert not shown["is_live"]
    assert shown["withdrawal_reason"] == "moved away"
    assert "withdrawn" in club.ok("consent", "list", "ana")
    [answer] = club.json("search", demo_photos / "obama3.jpg", *SEARCH)
    assert [face["candidates"] for face in answer["faces"]] == [[]]
    assert club("consent", "withdraw", "nothing-of-that-id", "--yes").code == 5


def test_a_sweep_of_nothing_says_so(club: Cli) -> None:
    assert "No consent has expired" in club.ok("consent", "sweep")
    assert club.json("consent", "sweep") == []


# --- collections


def test_collections_are_made_changed_and_deleted(club: Cli) -> None:
    made = club.json("collection", "create", "door", "-p", "entry", "--policy", "strict")
    assert (made["name"], made["purpose"], made["fpir_target"]) == ("door", "entry", 0.001)
    assert "1 in 20 searches" in club.ok("collection", "create", "lax", "-p", "entry", "--fpir", "0.05")
    [first, door, lax] = club.json("collection", "list")
    assert (first["name"], first["num_people"], first["num_templates"]) == ("club", 2, 3)
    assert first["is_searchable"]
    assert (door["n_max"], lax["fpir_target"]) == (100, 0.05)
    assert {"club", PURPOSE, "2", "3", "1,000", "door", "entry", "0.001"} <= words(
        club.ok("collection", "list")
    )

    shown = club.json("collection", "show", "club")
    table = club.ok("collection", "show", "club")
    assert len(shown["templates"]) == 3
    assert all(t["id"] in table and t["consent_id"] in table for t in shown["templates"])
    assert "2 people, 3 photos" in table
    assert "1,000 people" in table

    assert club.json("collection", "policy", "club", "strict")["n_max"] == 100
    assert "FPIR at most 0.02" in club.ok("collection", "policy", "club", "--fpir", "0.02")

    template = shown["templates"][-1]["id"]
    assert club.json("collection", "remove", template) == {"removed": template}
    assert club("collection", "remove", template).code == 5
    assert club.json("collection", "show", "club")["num_templates"] == 2

    assert club.json("collection", "delete", "club")["dry_run"]
    assert "Nothing was done" in club.ok("collection", "delete", "club")
    assert len(club.json("collection", "list")) == 3
    assert not club.json("collection", "delete", "club", "--yes")["dry_run"]
    assert [c["name"] for c in club.json("collection", "list")] == ["door", "lax"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("create", "club", "-p", PURPOSE), 6),
        (("create", "new club", "-p", PURPOSE), 2),
        (("create", "new", "-p", "Not A Slug"), 2),
        (("create", "new", "-p", PURPOSE, "--policy", "lax"), 2),
        (("create", "new", "-p", PURPOSE, "--fpir", "0"), 2),
        (("create", "new", "-p", PURPOSE, "--fpir", "nan"), 2),
        (("create", "new", "-p", PURPOSE, "--fpir", "1"), 2),
        (("policy", "nowhere", "strict"), 5),
        (("policy", "club", "lax"), 2),
        (("show", "nowhere"), 5),
        (("delete", "nowhere", "--yes"), 5),
        (("delete", "nowhere"), 5),
        (("remove", "nothing"), 5),
    ],
)
def test_a_wrong_word_about_a_collection(club: Cli, command: tuple[str, ...], code: int) -> None:
    before = club.json("collection", "list")
    printed = club("collection", *command)
    assert (printed.code, printed.out, printed.err.count("\n")) == (code, "", 1), printed
    assert club.json("collection", "list") == before


# --- photos


@pytest.mark.slow
def test_several_photos_are_enrolled_each_on_its_own(empty: Cli, club: Cli, demo_photos: Path) -> None:
    photos = [demo_photos / "obama3.jpg", demo_photos / "obama.jpg", demo_photos / "obama_partial_face.jpg"]
    broken = club.data.parent / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:500])
    printed = club("enrol", photos[0], broken, *photos[1:], "--person", "ana", "-c", "club", "--json")
    assert printed.code == 6  # the last refusal: obama.jpg is enrolled already
    done = printed.json()
    assert [item.get("refused") for item in done] == [None, "UnreadableImage", "AlreadyExists", None]
    assert done[3]["enrolment"]["num_templates"] == 4
    assert done[3]["enrolment"]["similarity_to_earlier"] > 60
    errors = [json.loads(line) for line in printed.err.splitlines()]
    assert [(e["error"], Path(e["photo"]).name) for e in errors] == [
        ("UnreadableImage", "broken.jpg"),
        ("AlreadyExists", "obama.jpg"),
    ]
    assert club.json("collection", "show", "club")["num_templates"] == 5

    again = club("enrol", broken, demo_photos / "obama_partial_face2.jpg", "--person", "ana", "-c", "club")
    assert again.code == 3
    assert "enrolled as photo 5" in again.out
    assert "broken.jpg" not in again.out
    assert again.err.startswith(f"Error: {broken}: expected an image")


def test_what_was_enrolled_is_said_when_a_later_photo_ends_it(
    club: Cli, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assent.errors import StoreUnavailable
    from assent.service import Assent

    enrol, calls = Assent.enrol, []

    def full_disk_at_the_second(assent: Assent, *args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise StoreUnavailable("the disk is full")
        return enrol(assent, *args, **options)

    monkeypatch.setattr(Assent, "enrol", full_disk_at_the_second)
    photos = [
        demo_photos / name for name in ("obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg")
    ]
    printed = club("enrol", *photos, "--person", "ana", "-c", "club")
    assert (printed.code, len(calls)) == (10, 2)
    assert "enrolled as photo 3" in printed.out
    assert "the disk is full" in printed.err


def test_a_missing_photo_is_seen_before_anything_is_done(club: Cli, demo_photos: Path) -> None:
    for command in ("enrol", "search", "detect"):
        options = {"enrol": ("--person", "ana", "-c", "club"), "search": SEARCH}.get(command, ())
        printed = club(command, demo_photos / "obama3.jpg", "typo.jpg", *options)
        assert (printed.code, printed.out) == (5, "")
        assert "there is no file typo.jpg" in printed.err
    assert club.json("collection", "show", "club")["num_templates"] == 3


def test_a_search_says_who_and_how_often_that_is_wrong(
    club: Cli, demo_photos: Path, group_photo: Path
) -> None:
    photos = (group_photo, demo_photos / "biden.jpg")
    [group, stranger] = club.json("search", *photos, *SEARCH)
    assert group["gallery_size"] == 2
    assert group["policy"]["max_fmr"] == pytest.approx(0.005)
    [candidate] = [c for face in group["faces"] for c in face["candidates"]]
    assert candidate["person"] == "ana"
    assert candidate["fmr_at_score"] <= group["policy"]["max_fmr"]
    assert candidate["expected_false_candidates"] == pytest.approx(2 * candidate["fmr_at_score"])
    assert [face["candidates"] for face in stranger["faces"]] == [[]]

    table = club.ok("search", *photos, *SEARCH)
    assert "Ana Lovelace" in table
    assert f"{candidate['similarity']:.1f}" in table
    assert table.count("nobody enrolled") == 2
    assert "2 people" in table
    assert "1 in 200" in table

    stricter = club.json("search", group_photo, *SEARCH, "--threshold", "90")[0]["policy"]
    looser = club.json("search", group_photo, *SEARCH, "--threshold", "1")[0]["policy"]
    assert stricter["max_fmr"] == pytest.approx(1e-4)
    assert looser["max_fmr"] == group["policy"]["max_fmr"]


def test_one_unreadable_photo_does_not_lose_the_answers_of_the_others(club: Cli, group_photo: Path) -> None:
    broken = club.data.parent / "broken.jpg"
    broken.write_bytes(b"not an image")
    printed = club("search", broken, group_photo, *SEARCH)
    assert printed.code == 3
    assert "Ana Lovelace" in printed.out
    assert str(broken) in printed.err
    [refused, answered] = club("search", broken, group_photo, *SEARCH, "--json").json()
    assert refused["refused"] == "UnreadableImage"
    assert len(answered["faces"]) == 2


@pytest.mark.slow
def test_only_candidates_are_visible_in_annotated_pictures(
    club: Cli, group_photo: Path, demo_photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out [x]"
    same_name = tmp_path / "other" / "group.png"
    same_name.parent.mkdir()
    same_name.write_bytes((demo_photos / "biden.jpg").read_bytes())
    said = club.ok("search", group_photo, same_name, *SEARCH, "--annotate", out)
    assert f"are in {out}/" in said
    assert sorted(path.name for path in out.iterdir()) == ["group-2.png", "group.png"]
    before, after = (pixels(path).astype(np.int16) for path in (group_photo, out / "group.png"))
    assert after.shape == before.shape
    [group] = club.json("search", group_photo, *SEARCH)
    for face in group["faces"]:
        x0, y0, x1, y1 = (round(v) for v in face["face"]["box_xyxy"])
        inner = (
            slice(y0 + (y1 - y0) // 4, y1 - (y1 - y0) // 4),
            slice(x0 + (x1 - x0) // 4, x1 - (x1 - x0) // 4),
        )
        change = np.abs(after[inner] - before[inner]).mean()
        assert change == 0 if face["candidates"] else change > 5
    # nobody is found in the blurred copies but the one who agreed
    for path, num in ((out / "group.png", 1), (out / "group-2.png", 0)):
        assert path.stat().st_size > 0
        [again] = club.json("search", path, *SEARCH)
        assert sum(len(face["candidates"]) for face in again["faces"]) == num
    with Image.open(out / "group.png") as picture:
        assert picture.info == {}


def test_an_original_is_never_overwritten(club: Cli, demo_photos: Path, tmp_path: Path) -> None:
    original = tmp_path / "obama3.png"
    original.write_bytes((demo_photos / "obama3.jpg").read_bytes())
    held = original.read_bytes()
    log = club.json("log", "show")
    printed = club("search", demo_photos / "biden.jpg", original, *SEARCH, "--annotate", tmp_path)
    assert (printed.code, printed.out) == (2, "")
    assert "choose another folder" in printed.err
    assert original.read_bytes() == held
    assert club.json("log", "show") == log  # refused before anybody was searched


@pytest.mark.slow
def test_verification_exits_with_its_answer(club: Cli, demo_photos: Path) -> None:
    ana = ("--person", "ana", *SEARCH)
    assert club.ok("verify", demo_photos / "obama3.jpg", *ana).startswith("match: similarity ")
    answer = club.json("verify", demo_photos / "obama3.jpg", *ana, "--threshold", "90")
    assert answer["is_match"]
    assert answer["fmr_at_score"] <= answer["threshold_fmr"] == pytest.approx(1e-4)
    no = club("verify", demo_photos / "biden.jpg", *ana)
    assert (no.code, no.err) == (1, "")
    assert no.out.startswith("no match: similarity ")
    no = club("verify", demo_photos / "biden.jpg", *ana, "--json")
    assert (no.code, no.err, no.json()["is_match"]) == (1, "", False)
    for threshold in ("-1", "101", "nan"):
        assert club("verify", demo_photos / "biden.jpg", *ana, "--threshold", threshold).code == 2
    beyond = club("verify", demo_photos / "biden.jpg", *ana, "--threshold", "99.5")
    assert beyond.code == 8


@pytest.mark.slow
def test_detection_says_where_and_how_good(club: Cli, group_photo: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 64)).save(blank)
    [group, nobody] = club.json("detect", group_photo, blank)
    assert (group["image_width"], group["image_height"]) == (1000, 600)
    assert len(group["faces"]) == 2
    assert all(face["quality"]["reasons"] == [] for face in group["faces"])
    assert nobody["faces"] == []
    table = club.ok("detect", group_photo, blank, "--thorough")
    assert "no face found" in table
    assert [line.split()[-1] for line in table.splitlines() if line.startswith("group.jpg")] == ["yes", "yes"]
    assert [entry["kind"] for entry in club.json("log", "show")].count("detect") == 0


# --- export, log, models, keys


def test_an_export_holds_what_is_held(club: Cli, tmp_path: Path) -> None:
    held = club.json("export", "ana")
    assert held["person"]["name"] == "Ana Lovelace"
    assert held["consents"][0]["notice_text"] == NOTICE
    assert len(held["templates"]) == 2
    assert "Bea" not in json.dumps(held)
    out = tmp_path / "out" / "ana.json"
    assert club.ok("export", "ana", "--out", out) == f"Wrote {out}.\n"
    written = json.loads(out.read_text())
    assert written["templates"] == held["templates"]
    assert club.json("export", "ana", "-o", out) == {"written": str(out)}
    assert [path.name for path in out.parent.iterdir()] == ["ana.json"]
    assert club("export", "nobody").code == 5


def test_the_log_names_acts_and_nobody(club: Cli, demo_photos: Path) -> None:
    club.ok("search", demo_photos / "obama3.jpg", *SEARCH)
    assert club("search", demo_photos / "obama3.jpg", "-c", "club", "-p", "Ana Lovelace").code == 7
    entries = club.json("log", "show")
    assert [e["kind"] for e in entries[-2:]] == ["search", "refused"]
    assert [e["seq"] for e in entries] == list(range(1, len(entries) + 1))
    [search] = club.json("log", "show", "--kind", "search", "--last", "1")
    assert search == entries[-2]
    assert search["actor"] == f"os-user-{os.getuid()}"
    text = json.dumps(entries) + club.ok("log", "show")
    assert not {"ana", "bea", "Lovelace", "Byron", "obama3"} & set(text.replace('"', " ").split())
    assert "search" in club.ok("log", "show", "--last", "2")
    assert club.ok("log", "show", "--kind", "no-such-kind") == "Log: none\n"


def test_models_are_listed_and_verified(club: Cli) -> None:
    models = {model["name"]: model for model in club.json("models", "list")}
    assert models["centerface"]["state"] == models["dlib-resnet-v1"]["state"] == "ready"
    assert all(model["licence"] for model in models.values())
    table = club.ok("models", "list")
    assert all(name in table for name in models)
    statuses = {status["name"]: status["state"] for status in club.json("models", "verify")}
    assert statuses["centerface"] == "ready"
    assert "ready" in club.ok("models", "verify", "centerface")
    assert club("models", "verify", "no-such-model").code == 5


def test_keys_are_rotated_only_with_a_yes(club: Cli, demo_photos: Path) -> None:
    key_file = club.data.parent / "data.keys" / "master.key"
    before = key_file.read_bytes()
    assert "Nothing was done" in club.ok("keys", "rotate")
    assert club.json("keys", "rotate") == {"dry_run": True, "key_file": str(key_file)}
    assert key_file.read_bytes() == before
    assert str(key_file) in club.ok("keys", "rotate", "--yes")
    assert key_file.read_bytes() != before
    [answer] = club.json("search", demo_photos / "obama3.jpg", *SEARCH)
    assert answer["faces"][0]["candidates"][0]["person"] == "ana"


# --- the program itself


def test_the_version(club: Cli) -> None:
    assert club.ok("--version") == f"assent {__version__}\n"


def commands() -> list[tuple[str, ...]]:
    from typer.main import get_command

    from assent.cli.main import app

    found: list[tuple[str, ...]] = []

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, (*path, name))
        if not getattr(command, "commands", None):
            found.append(path)

    walk(get_command(app), ())
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself_with_an_example(club: Cli, command: tuple[str, ...]) -> None:
    said = " ".join(club.ok(*command, "--help").replace("│", " ").split())
    assert f"Example: assent {' '.join(command)}" in said
    assert "--json" in said


def test_help_of_the_whole(club: Cli) -> None:
    said = club.ok("--help")
    groups = {command[0] for command in commands()}
    assert groups >= {
        "person", "consent", "collection", "enrol", "search", "verify", "detect", "export", "calibrate", "models",
        "demo", "log", "keys",
    }  # fmt: skip
    assert all(group in said for group in groups)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("enrol",), "Missing argument 'photos'"),
        (("enrol", "x.jpg"), "--person"),
        (("search", "x.jpg", "-c", "club"), "--purpose"),
        (("search", "x.jpg", "-c", "club", "-p", "p", "--max", "0"), "--max"),
        (("search", "x.jpg", "-c", "club", "-p", "p", "--threshold", "high"), "--threshold"),
        (("find",), "find"),
        (("person", "ad"), "ad"),
        (("log", "show", "--last", "0"), "--last"),
        (("--jsn",), "--jsn"),
    ],
)
def test_a_wrong_word_is_one_line_that_points_at_the_help(
    club: Cli, line: tuple[str, ...], says: str
) -> None:
    printed = club(*line)
    assert (printed.code, printed.out, printed.err.count("\n")) == (2, "", 1), printed
    assert printed.err.startswith("Error: ")
    assert says in printed.err
    assert "--help" in printed.err
    error = club(*line, "--json").error()
    assert (error["error"], error["exit_code"]) == ("UsageError", 2)


def test_a_setting_that_cannot_be_is_named(club: Cli) -> None:
    printed = Cli(club.data, club.models, {"ASSENT_THREADS": "many"})("person", "list")
    assert (printed.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert "ASSENT_THREADS" in printed.err


# --- as a program of its own


def process(cli: Cli, *line: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "assent", *map(str, line)]
    return subprocess.run(
        command,
        env={**os.environ, **cli.environment()},
        capture_output=True,
        input=stdin,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_the_program_answers_on_standard_output_alone(club: Cli, group_photo: Path, tmp_path: Path) -> None:
    done = process(club, "search", group_photo, *SEARCH, "--json", "--annotate", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, b"")
    [answer] = json.loads(done.stdout)
    assert sorted(len(face["candidates"]) for face in answer["faces"]) == [0, 1]
    with Image.open(tmp_path / "out" / "group.png") as picture:
        assert picture.size == (1000, 600)


@pytest.mark.slow
def test_the_program_refuses_in_one_line(club: Cli, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff\n\x1b[2J.jpg")
    Path(odd).write_bytes(b"nothing")
    done = process(club, "detect", odd)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (3, b"", 1)
    assert b"\x1b" not in done.stderr
    assert b"Traceback" not in done.stderr
    done = process(club, "detect", odd, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)[0]["photo"] == odd
    assert json.loads(done.stderr)["photo"] == odd


@pytest.mark.slow
def test_the_program_reads_a_pipe(club: Cli, group_photo: Path) -> None:
    done = process(club, "detect", "/dev/stdin", "--json", stdin=group_photo.read_bytes())
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)[0]["faces"]) == 2


@pytest.mark.slow
def test_a_reader_that_goes_away_gets_no_traceback(club: Cli) -> None:
    command = f"{sys.executable} -m assent log show --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **club.environment()},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
