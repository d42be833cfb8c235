"""Any words and any bytes: an answer, or one line; never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.e2e.cli import PURPOSE, Cli, Printed

pytestmark = pytest.mark.slow

CODES = set(range(11))
# Lone surrogates are what Python makes of a file's name or argument that is not UTF-8.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
ODD_TEXT = st.sampled_from(
    [
        "", " ", "-", "--", "[/]", "[bold]", "[link=x]", "é" * 64, "\u202eabc", "a\0b", "\ud800", "\udcff", "🙂" * 40,
        "%s", "{0}", "$(x)", "a\nb", "\x1b[2J", "../..", "x" * 5000, "'; DROP TABLE people; --", "NaN", "٣",
    ]
)  # fmt: skip
CONSENT_OPTIONS = (
    "-p", "--controller", "--notice", "--evidence", "--until", "--days", "--notice-version", "--language", "--method",
    "--legal-basis",
)  # fmt: skip
WORD = ANY_TEXT | ODD_TEXT
FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def assert_answered(printed: Printed, *, as_json: bool = False) -> None:
    assert printed.code in CODES
    assert "Traceback" not in printed.err
    if printed.code == 0:
        assert printed.err == ""
    elif printed.code != 1:
        assert printed.err.count("\n") == 1, printed
        assert not set(printed.err) & {"\x1b", "\0"}
    if as_json and printed.out:
        json.loads(printed.out)
    if as_json and printed.err:
        assert json.loads(printed.err)["exit_code"] == printed.code


@settings(FIXTURES, max_examples=25)
@given(ref=WORD, name=WORD, as_json=st.booleans())
def test_any_person(empty: Cli, ref: str, name: str, as_json: bool) -> None:
    tail = ["--json"] if as_json else []
    printed = empty("person", "add", f"--name={name}", *tail, "--", ref)
    assert_answered(printed, as_json=as_json)
    if printed.code == 0:
        listed = {p["person"]["ref"]: p["person"]["name"] for p in empty.json("person", "list")}
        assert listed[ref] == name.strip()
        assert_answered(empty("person", "list"))
        assert_answered(empty("export", "--", ref))


@settings(FIXTURES, max_examples=25)
@given(
    option=st.sampled_from(CONSENT_OPTIONS),
    word=WORD,
    as_json=st.booleans(),
)
def test_any_word_of_a_consent(club: Cli, option: str, word: str, as_json: bool) -> None:
    notice = club.data.parent / "notice.txt"
    notice.write_text("We keep a template of your face.")
    given_words = {"-p": PURPOSE, "--controller": "Club", "--notice": str(notice), "--evidence": "a" * 64}
    given_words |= {} if option == "--until" else {"--days": "30"}
    given_words |= {option: word}
    line = [part for pair in given_words.items() for part in pair]
    printed = club("consent", "record", "ana", *line, *(["--json"] if as_json else []))
    assert_answered(printed, as_json=as_json)
    assert_answered(club("consent", "list"))


@settings(FIXTURES, max_examples=25)
@given(
    collection=WORD,
    purpose=WORD,
    photo=WORD,
    command=st.sampled_from(["create", "search", "enrol", "log", "show"]),
)
def test_any_collection_purpose_and_photo(
    club: Cli, collection: str, purpose: str, photo: str, command: str
) -> None:
    lines: dict[str, tuple[str, ...]] = {
        "create": ("collection", "create", f"--purpose={purpose}", "--", collection),
        "search": ("search", f"--collection={collection}", f"--purpose={purpose}", "--json", "--", photo),
        "enrol": ("enrol", f"--collection={collection}", f"--person={purpose}", "--", photo),
        "log": ("log", "show", f"--kind={purpose}"),
        "show": ("collection", "show", "--", collection),
    }
    assert_answered(club(*lines[command]), as_json=command == "search")
    assert_answered(club("collection", "list"))


@settings(FIXTURES, max_examples=30)
@given(words=st.lists(WORD, max_size=5))
def test_any_words_at_all(empty: Cli, words: list[str]) -> None:
    printed = empty(*words)
    assert printed.code in CODES
    assert "Traceback" not in printed.err


MAGIC = st.sampled_from(
    [
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x40\0\0\0WEBPVP8 ",
        b"II*\0",
        b"BM",
        b"P6 9 9 255 ",
    ]
)


@settings(FIXTURES, max_examples=40)
@given(head=MAGIC, body=st.binary(max_size=300))
def test_any_bytes_as_a_photo(club: Cli, head: bytes, body: bytes) -> None:
    path = club.data.parent / "photo.jpg"
    path.write_bytes(head + body)
    assert_readable_or_not(club, path)


def assert_readable_or_not(club: Cli, path: Path) -> None:
    printed = club("detect", path)
    assert printed.code in (0, 3), printed
    assert_answered(printed)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
@settings(FIXTURES, max_examples=12)
@given(data=st.data())
def test_any_damage_to_a_picture(club: Cli, kind: str, data: st.DataObject) -> None:
    path = club.data.parent / "photo.img"
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(path, kind)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert_readable_or_not(club, path)
    printed = club("enrol", path, "--person", "ana", "-c", "club")
    assert printed.code in (3, 4), printed
    assert_answered(printed)
