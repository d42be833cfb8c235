"""Whatever comes in: one clear line, the documented exit code, and nothing half written."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from assent import Assent
from assent.errors import ImageTooLarge
from assent.service.images import load_image
from tests.builders import agree, make_settings
from tests.e2e.cli import PURPOSE, Cli, Printed

# Each costs a process or two; the errors themselves have tests in the rooms that raise them.
pytestmark = pytest.mark.slow

ENROL = ("--person", "ana", "-c", "club")
SEARCH = ("-c", "club", "-p", PURPOSE)
VERIFY = ("--person", "ana", *SEARCH)
TABLES = (
    "store", "people", "notices", "consents", "collections", "person_keys", "templates", "user_vectors", "receipts"
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """Everything a data folder holds, but the log's entries of refusals."""

    rows: dict[str, list[tuple[object, ...]]]
    log: list[str]
    files: dict[str, bytes]


def held(cli: Cli) -> Held:
    """What is there now, read past our own code."""
    database = sqlite3.connect(cli.data / "records.sqlite3")
    try:
        rows = {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
        log = [kind for (kind,) in database.execute("SELECT kind FROM log_entries ORDER BY seq")]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        database.close()
    files = {
        str(path.relative_to(cli.data.parent)): b"" if "records.sqlite3" in path.name else path.read_bytes()
        for folder in (cli.data, cli.data.with_name("data.keys"))
        for path in folder.rglob("*")
        # a refusal is an act too, and the log's checkpoints say so
        if path.is_file() and not path.name.endswith(("-wal", "-shm")) and path.name != "checkpoints.txt"
    }
    return Held(rows, [kind for kind in log if kind != "refused"], files)


def assert_refused(printed: Printed, code: int, *says: str) -> None:
    """One line on standard error, nothing on standard output, and these words in it."""
    assert (printed.code, printed.out) == (code, ""), printed
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    for words in says:
        assert words in printed.err, printed.err


# --- pictures


@cache
def png_bomb(side: int) -> bytes:
    """A valid PNG of side x side black pixels, one bit each."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    block = row * 100
    packed = b"".join(packer.compress(block) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sixteen_bits(image: Image.Image) -> bytes:
    deep = np.asarray(image.convert("RGB"), np.uint16)[:, :, ::-1] * 257
    return bytes(cv2.imencode(".png", deep)[1])


def animated(image: Image.Image, kind: str) -> bytes:
    frames = [image, image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), image.convert("L").convert("RGB")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)


def far_away(image: Image.Image) -> Image.Image:
    """A face of a few pixels in a large black picture."""
    small = image.resize((image.width // 12, image.height // 12), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", image.size)
    canvas.paste(small, (50, 50))
    return canvas


def portrait(demo_photos: Path) -> Image.Image:
    with Image.open(demo_photos / "obama3.jpg") as image:
        return image.convert("RGB")


REFUSED: dict[str, tuple[Callable[[Image.Image], bytes], int, tuple[str, ...]]] = {
    "truncated.jpg": (lambda p: encoded(p, "JPEG")[:20_000], 3, ("expected an image", "cut short")),
    "truncated.png": (lambda p: encoded(p, "PNG")[:20_000], 3, ("expected an image", "cut short")),
    "header-only.jpg": (lambda p: encoded(p, "JPEG")[:400], 3, ("expected an image",)),
    "empty.jpg": (lambda _: b"", 3, ("expected an image", "0 bytes")),
    "bomb.png": (lambda _: png_bomb(60_000), 3, ("pixels", "another")),
    "bomb-header.png": (lambda _: png_bomb(60_000)[:60], 3, ("pixels",)),
    "one-pixel.png": (
        lambda _: encoded(Image.new("RGB", (1, 1)), "PNG"),
        3,
        ("at least 16 x 16 pixels", "got 1 x 1", "another"),
    ),
    "one-row.png": (lambda _: encoded(Image.new("RGB", (5000, 1)), "PNG"), 3, ("got 5000 x 1",)),
    "text.jpg": (lambda _: b"Dear all,\nplease find attached\n", 3, ("expected an image", "another kind")),
    "page.svg": (lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'/>", 3, ("expected an image",)),
    "document.pdf": (lambda _: b"%PDF-1.7\n" + bytes(500), 3, ("expected an image",)),
    "postscript.eps": (
        lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        3,
        ("expected an image",),
    ),
}
NO_FACE: dict[str, Callable[[Image.Image], bytes]] = {
    "black.jpg": lambda _: encoded(Image.new("RGB", (300, 300)), "JPEG"),
    "noise.png": lambda _: encoded(
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)), "PNG"
    ),
}
TAKEN: dict[str, Callable[[Image.Image], bytes]] = {
    "animated.gif": lambda p: animated(p, "GIF"),
    "animated.webp": lambda p: animated(p, "WEBP"),
    "cmyk.jpg": lambda p: encoded(p.convert("CMYK"), "JPEG"),
    "sixteen-bits.png": sixteen_bits,
    "grey.png": lambda p: encoded(p.convert("L"), "PNG"),
    "really-a-png.jpg": lambda p: encoded(p, "PNG"),
    "no-extension": lambda p: encoded(p, "JPEG"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_picture(club: Cli, demo_photos: Path, tmp_path: Path, name: str) -> None:
    make, code, says = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(make(portrait(demo_photos)))
    before = held(club)
    for line in (
        ("enrol", path, *ENROL),
        ("search", path, *SEARCH),
        ("verify", path, *VERIFY),
        ("detect", path),
    ):
        assert_refused(club(*line), code, *says)
        assert club(*line, "--json").error()["exit_code"] == code
    out = tmp_path / "out"
    assert_refused(club("search", path, *SEARCH, "--annotate", out), code)
    assert not out.exists()
    assert held(club) == before


@pytest.mark.parametrize("name", NO_FACE)
def test_a_picture_without_a_face(club: Cli, demo_photos: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(NO_FACE[name](portrait(demo_photos)))
    before = held(club)
    assert_refused(club("enrol", path, *ENROL), 4, "expected one face, found none", "use a photo")
    assert_refused(club("verify", path, *VERIFY), 4, "expected one face, found none")
    assert held(club) == before
    assert "no face found" in club.ok("detect", path)
    assert "no face found" in club.ok("search", path, *SEARCH, "--annotate", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{path.stem}.png"]


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_picture_of_a_face_is_taken(club: Cli, demo_photos: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(TAKEN[name](portrait(demo_photos)))
    [answer] = club.json("search", path, *SEARCH)
    assert [c["person"] for face in answer["faces"] for c in face["candidates"]] == ["ana"]
    assert "enrolled as photo 3" in club.ok("enrol", path, *ENROL)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_bomb(60_000))
    assert bomb.stat().st_size < 2**20
    script = (
        "import resource, sys; from assent.cli.main import run\n"
        "run(['detect', sys.argv[1]])\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "code = run(['detect', sys.argv[2]])\n"
        "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)\n"
    )
    (tmp_path / "empty.png").touch()
    env = {**os.environ, "ASSENT_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-c", script, str(tmp_path / "empty.png"), str(bomb)]
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=True)
    code, grown_kib = map(int, done.stdout.split())
    assert code == 3
    assert grown_kib < 20_000  # the pixels would take 450,000


def test_a_file_beyond_the_limit_on_bytes(club: Cli, demo_photos: Path) -> None:
    small = Cli(club.data, club.models, {"ASSENT_MAX_IMAGE_BYTES": "1000"})
    says = ("1,000 bytes", "shrink it", "ASSENT_MAX_IMAGE_BYTES")
    assert_refused(small("detect", demo_photos / "obama3.jpg"), 3, *says)
    assert_refused(small("detect", "/dev/zero"), 3, *says)  # it has no size and no end
    settings = make_settings(club.data.parent, club.models).model_copy(update={"max_image_pixels": 1000})
    with pytest.raises(ImageTooLarge, match="1,000 pixels"):
        load_image(demo_photos / "obama3.jpg", settings)


def test_a_path_that_leads_to_no_file(club: Cli, tmp_path: Path) -> None:
    before = held(club)
    for name, code, says in (
        ("absent.jpg", 5, "there is no file"),
        (".", 3, "Is a directory"),
        (str(tmp_path), 3, "Is a directory"),
        ("", 3, "Is a directory"),
        ("x" * 5000, 3, "File name too long"),
        ("nul\0.jpg", 2, "null byte"),
        (f"{club.data / 'records.sqlite3'}/photo.jpg", 5, "there is no file"),
        ("/proc/self/mem", 3, "cannot be read"),
    ):
        for line in (
            ("enrol", name, *ENROL),
            ("search", name, *SEARCH),
            ("verify", name, *VERIFY),
            ("detect", name),
        ):
            assert_refused(club(*line), code, says)
    assert held(club) == before


def test_many_faces_at_enrolment(club: Cli, group_photo: Path) -> None:
    before = held(club)
    assert_refused(club("enrol", group_photo, *ENROL), 4, "expected one face, found 2", "--largest")
    assert_refused(club("verify", group_photo, *VERIFY), 4, "expected one face, found 2", "--largest")
    assert held(club) == before
    refused = club("enrol", group_photo, *ENROL, "--largest")  # the largest is not hers
    assert_refused(refused, 4, "unlike this person's earlier photos", "--allow-mismatch")
    assert held(club) == before


def test_a_face_too_small(club: Cli, demo_photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "far.png"
    far_away(portrait(demo_photos)).save(path)
    before = held(club)
    printed = club("enrol", path, *ENROL)
    assert_refused(printed, 4, "too poor to use", "small", "px apart", "larger")
    assert "small" in club("enrol", path, *ENROL, "--json").error()["reasons"]
    assert held(club) == before
    assert "small" in club.ok("detect", path)


# --- people, consents, purposes


def test_nobody_without_a_live_consent(
    club: Cli, demo_photos: Path, tmp_path: Path, models_dir: Path
) -> None:
    photo = demo_photos / "obama3.jpg"
    club.ok("person", "add", "silent")
    club.ok("person", "add", "other")
    club.agree("other", tmp_path, purpose="newsletter")
    club.ok("person", "add", "gone")
    club.ok("consent", "withdraw", club.agree("gone", tmp_path), "--yes")
    long_ago = datetime.now(UTC) - timedelta(days=100)
    with Assent(settings=make_settings(club.data.parent, models_dir), clock=lambda: long_ago) as assent:
        agree(assent, "late", purpose=PURPOSE, days=30)
    before = held(club)
    for person, code, says in (
        ("nobody", 5, ("no person", "list them")),
        ("silent", 7, ("expected a live consent", "record")),
        ("gone", 7, ("expected a live consent", "withdrawn", "record a new one")),
        ("late", 7, ("expected a live consent", "expired", "record a new one")),
        ("other", 7, ("newsletter", PURPOSE, "ask them")),
    ):
        assert_refused(club("enrol", photo, "--person", person, "-c", "club"), code, *says)
        assert_refused(club("verify", photo, "--person", person, *SEARCH), code, *says)
    assert_refused(club("enrol", photo, "--person", "ana", "-c", "nowhere"), 5, "collection")
    assert_refused(club("search", photo, "-c", "nowhere", "-p", PURPOSE), 5, "collection")
    for command in (("search", photo), ("verify", photo, "--person", "ana")):
        for purpose in ("newsletter", "Any Words", "club-photos ", ""):
            assert_refused(club(*command, "-c", "club", "-p", purpose), 7, PURPOSE, "people agreed to")
    assert held(club) == before
    refused = club.json("log", "show", "--kind", "refused")
    assert {entry["refusal"] for entry in refused} == {"NoLiveConsent", "WrongPurpose"}
    assert "Any Words" not in json.dumps(refused)


def test_an_expired_consent_is_not_found_and_can_be_swept(
    club: Cli, demo_photos: Path, models_dir: Path, engine: object
) -> None:
    past = datetime.now(UTC) - timedelta(days=10)
    settings = make_settings(club.data.parent, models_dir)
    with Assent(settings=settings, clock=lambda: past, engine=engine) as assent:  # type: ignore[arg-type]
        agree(assent, "joe", purpose=PURPOSE, days=5)
        assent.enrol(demo_photos / "biden.jpg", person="joe", collection="club")
        assert assent.search(demo_photos / "biden.jpg", collection="club", purpose=PURPOSE).gallery_size == 3
    [answer] = club.json("search", demo_photos / "biden.jpg", *SEARCH)
    assert (answer["gallery_size"], [face["candidates"] for face in answer["faces"]]) == (2, [[]])
    assert "expired" in club.ok("consent", "list", "joe")
    [receipt] = club.json("consent", "sweep")
    assert receipt["cause"] == "expired"
    assert club.json("collection", "show", "club")["num_templates"] == 3


# --- records and keys


def newer_database(cli: Cli) -> None:
    database = sqlite3.connect(cli.data / "records.sqlite3")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.execute("UPDATE store SET assent_version = '77.0'")
    database.commit()
    database.close()


def lost_key(cli: Cli) -> None:
    key_file(cli).unlink()


def lost_key_folder(cli: Cli) -> None:
    shutil.rmtree(key_file(cli).parent)


def garbled_key(cli: Cli) -> None:
    key_file(cli).write_bytes(b"\x00\xff" * 40)


def changed_key(cli: Cli) -> None:
    document = json.loads(key_file(cli).read_text())
    document["keys"][0]["key"] = "00" * 32
    key_file(cli).write_text(json.dumps(document))


def key_of_another_store(cli: Cli) -> None:
    other = Cli(cli.data.parent / "other", cli.models)
    other.ok("person", "list")
    shutil.copyfile(other.data.with_name("other.keys") / "master.key", key_file(cli))


def readable_key(cli: Cli) -> None:
    key_file(cli).chmod(0o644)


def not_a_database(cli: Cli) -> None:
    (cli.data / "records.sqlite3").write_bytes(b"these are no records, but they are quite long" * 1000)


def damaged_database(cli: Cli) -> None:
    path = cli.data / "records.sqlite3"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))


def key_file(cli: Cli) -> Path:
    return cli.data.with_name("data.keys") / "master.key"


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (newer_database, ("9999", "install Assent 77.0 or newer")),
        (lost_key, ("master.key", "put the file back", "ASSENT_KEY_FILE")),
        (lost_key_folder, ("master.key", "put the file back", "ASSENT_KEY_FILE")),
        (garbled_key, ("master.key", "expected JSON", "put back")),
        (changed_key, ("master.key", "put back")),
        (key_of_another_store, ("master.key", "put back", "ASSENT_KEY_FILE")),
        (readable_key, ("mode 0644", "chmod 600")),
        (not_a_database, ("not an Assent database", "another data folder")),
        (damaged_database, ("damaged", "backup")),
    ],
)
def test_records_that_cannot_be_opened(
    club: Cli, demo_photos: Path, break_it: Callable[[Cli], None], says: tuple[str, ...]
) -> None:
    break_it(club)
    files = {path: path.read_bytes() for path in club.data.parent.rglob("*") if path.is_file()}
    photo = demo_photos / "obama3.jpg"
    for line in (
        ("person", "list"),
        ("person", "add", "joe"),
        ("enrol", photo, *ENROL),
        ("search", photo, *SEARCH),
        ("keys", "rotate", "--yes"),
        ("consent", "sweep"),
    ):
        assert_refused(club(*line), 10, *says)
    error = club("person", "list", "--json").error()
    assert error["exit_code"] == 10
    ignored = ("-wal", "-shm", ".lock")
    after = {path: path.read_bytes() for path in club.data.parent.rglob("*") if path.is_file()}
    assert {p: b for p, b in after.items() if not p.name.endswith(ignored)} == {
        p: b for p, b in files.items() if not p.name.endswith(ignored)
    }


@pytest.mark.parametrize("folder", ["file/below", "file", "/proc/assent", "/dev/null/assent", "x" * 300])
def test_a_data_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("a file")
    cli = Cli(Path(folder), tmp_path / "models")
    assert_refused(cli("person", "add", "ana"), 10, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Path("file").read_text() == "a file"


def test_a_data_folder_with_an_odd_name_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(
        (
            "a b",
            "#1",
            "100%41",
            "ü [x]",
            "sub/..",
            ".",
            "..",
            "&a=b",
            "c;d",
            "sqlite:",
            "what?",
            "?a=b",
            "a+b",
        )
    ):
        cli = Cli(tmp_path / str(number) / "work", tmp_path / "models")
        cli.data.mkdir(parents=True)
        monkeypatch.chdir(cli.data)
        Path("sub").mkdir()
        cli("--data", name, "person", "add", "ana")
        assert (cli.data / name / "records.sqlite3").is_file(), name
        assert [p["person"]["ref"] for p in cli.json("--data", name, "person", "list")] == ["ana"]
        folder = (cli.data / name).resolve()
        assert (folder.with_name(folder.name + ".keys") / "master.key").is_file()


# --- a full disk


def with_full_disk(cli: Cli, max_file_bytes: int, *line: object) -> Printed:
    """Run in a process whose files cannot grow beyond so many bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    command = [sys.executable, "-B", "-m", "assent", *map(str, line)]
    env = {**os.environ, **cli.environment()}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit
    )
    return Printed(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("max_file_bytes", [0, 4096, 40_000])
def test_a_full_disk_for_the_records(club: Cli, tmp_path: Path, max_file_bytes: int) -> None:
    consent = club.json("consent", "list", "ana")[0]["id"]
    before = held(club)
    for line in (("person", "add", "joe"), ("consent", "withdraw", consent, "--yes")):
        printed = with_full_disk(club, max_file_bytes, *line)
        if max_file_bytes > 4096 and printed.code == 0:
            before = held(club)  # it fitted
            continue
        assert_refused(printed, 10, "records.sqlite3")
        assert "disk" in printed.err
        assert held(club) == before
    club.ok("person", "add", "jim")


def test_a_full_disk_for_a_new_data_folder(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data", tmp_path / "models")
    for size in (0, 100, 20_000, 60_000):
        printed = with_full_disk(cli, size, "person", "add", "ana")
        assert_refused(printed, 10)
    cli.ok("person", "add", "ana")  # what was begun is finished, or begun anew
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]


def test_a_full_disk_for_pictures_and_exports(club: Cli, group_photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = with_full_disk(club, 500_000, "search", group_photo, *SEARCH, "--annotate", out)
    assert_refused(printed, 2, str(out / "group.png"), "cannot write", "choose another place")
    assert list(out.iterdir()) == []
    target = out / "ana.json"
    target.write_text("the export of last year")
    printed = with_full_disk(club, 500, "export", "ana", "--out", target)
    assert printed.code in (2, 10)
    assert target.read_text() == "the export of last year"
    assert [path.name for path in out.iterdir()] == ["ana.json"]


def test_a_place_that_cannot_be_written(club: Cli, group_photo: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file")
    for folder in (blocked / "out", "/proc/out", "x" * 300):
        printed = club("search", group_photo, *SEARCH, "--annotate", folder)
        assert_refused(printed, 2, "cannot write", "choose another place")
    for out in (blocked / "ana.json", "/proc/ana.json", tmp_path, ".", "/", "x" * 300):
        assert_refused(club("export", "ana", "--out", out), 2, "cannot write")
    assert blocked.read_text() == "a file"
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]


# --- models


@pytest.fixture
def own_models(models_dir: Path, tmp_path: Path) -> Path:
    """A folder of links to the models, so that one can be changed."""
    folder = tmp_path / "models"
    folder.mkdir()
    for path in models_dir.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def real_club(made_club: Path, tmp_path: Path, own_models: Path) -> Cli:
    """The club with networks of its own, opened anew by each command."""
    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, tmp_path / name)
    return Cli(tmp_path / "data", own_models)


@pytest.mark.parametrize("name", ["centerface.dynamic.onnx", "dlib-resnet-v1.onnx", "dlib-shape-5.npz"])
def test_a_model_file_with_one_byte_changed(real_club: Cli, demo_photos: Path, name: str) -> None:
    path = real_club.models / name
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.unlink()
    path.write_bytes(changed)
    before = held(real_club)
    photo = demo_photos / "obama3.jpg"
    for line in (("enrol", photo, *ENROL), ("search", photo, *SEARCH), ("verify", photo, *VERIFY)):
        assert_refused(real_club(*line), 9, "sha256", "assent models pull")
    assert held(real_club) == before
    verified = real_club("models", "verify")
    assert verified.code == 9
    assert "corrupt" in verified.out
    assert verified.err.count("\n") == 1


def test_models_that_were_not_pulled(
    made_club: Path, real_club: Cli, demo_photos: Path, tmp_path: Path
) -> None:
    bare = Cli(real_club.data, tmp_path / "no-models")
    before = held(bare)
    for line in (
        ("enrol", demo_photos / "obama3.jpg", *ENROL),
        ("search", demo_photos / "obama3.jpg", *SEARCH),
        ("verify", demo_photos / "obama3.jpg", *VERIFY),
        ("detect", demo_photos / "obama3.jpg"),
    ):
        assert_refused(bare(*line), 9, "assent models pull")
    assert held(bare) == before
    assert {model["state"] for model in bare.json("models", "list")} == {"missing"}
    assert bare("models", "verify", "centerface").code == 9


def test_an_unknown_model_in_the_settings(real_club: Cli, demo_photos: Path) -> None:
    for env in ({"ASSENT_DETECTOR": "my-detector"}, {"ASSENT_EMBEDDER": "centerface"}):
        printed = Cli(real_club.data, real_club.models, env)("detect", demo_photos / "obama3.jpg")
        assert printed.code in (2, 5, 9)
        assert (printed.out, printed.err.count("\n")) == ("", 1)


# --- calibrations


def test_no_calibration_no_score(club: Cli, demo_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.service.profiles.builtin_profile", lambda _digest: None)
    shutil.rmtree(club.data / "calibrations")
    before = held(club)
    for line in (
        ("search", demo_photos / "obama3.jpg", *SEARCH),
        ("verify", demo_photos / "obama3.jpg", *VERIFY),
    ):
        assert_refused(club(*line), 8, "no calibration", "assent calibrate")
    assert held(club) == before
    [summary] = club.json("collection", "list")
    assert (summary["n_max"], summary["is_searchable"]) == (None, False)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b'{"schema_version": 99}', b"[" * 100_000])
def test_a_garbled_calibration(club: Cli, demo_photos: Path, body: bytes) -> None:
    (club.data / "calibrations" / "zz.json").write_bytes(body)
    before = held(club)
    printed = club("search", demo_photos / "obama3.jpg", *SEARCH)
    assert_refused(printed, 8, "zz.json", "expected a calibration profile", "assent calibrate")
    assert held(club) == before


def test_a_calibration_that_cannot_be_read(club: Cli, demo_photos: Path) -> None:
    (club.data / "calibrations" / "zz.json").mkdir()
    printed = club("search", demo_photos / "obama3.jpg", *SEARCH)
    assert_refused(printed, 8, "zz.json", "Is a directory", "remove it")


def test_a_gallery_beyond_the_evidence(club: Cli, demo_photos: Path) -> None:
    club.ok("collection", "policy", "club", "--fpir", "1e-5")
    before = held(club)
    printed = club("search", demo_photos / "obama3.jpg", *SEARCH)
    assert_refused(printed, 8, "at most 1 people", "the collection holds 2", "assent calibrate")
    printed = club("search", demo_photos / "obama3.jpg", *SEARCH, "--threshold", "50")
    assert_refused(printed, 8, "at most 1 people")
    assert held(club) == before
    assert not club.json("collection", "list")[0]["is_searchable"]
    club.ok("collection", "policy", "club", "default")
    printed = club("search", demo_photos / "obama3.jpg", *SEARCH, "--threshold", "99.9")
    assert_refused(printed, 8, "evidence ends at", "ask for at most")
