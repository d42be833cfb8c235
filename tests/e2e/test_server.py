"""``assent serve`` as its users meet it: the first start, three rooms on one port, its errors, its end, its log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from botocore.exceptions import ClientError

from assent import Assent
from assent.cli.serve import is_loopback, url_of
from tests.builders import make_settings
from tests.e2e.cli import PURPOSE, Cli
from tests.e2e.servers import Key, Served, command, make_key, numbered, served, start

# Processes and whole stories; by default the rooms behind them are tried, and all of this with `make test-slow`.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(
    made_club: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Served, Key]]:
    """One server for the tests that leave nothing behind."""

    folder = tmp_path_factory.mktemp("house")
    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, folder / name)
    cli = Cli(folder / "data", models_dir)
    key = make_key(cli)
    with served(cli, env={"ASSENT_MAX_WAITING": "8", "ASSENT_MAX_CONCURRENT": "1"}) as server:
        yield cli, server, key


def test_the_first_start_shows_a_key_that_opens_everything_and_the_second_shows_none(empty: Cli) -> None:
    with served(empty) as server:
        assert server.greeting["url"].startswith("http://127.0.0.1:")
        first = server.greeting["first_key"]
        key = Key(first["id"], first["secret"])
        wire = server.rekognition(key)
        tags = {"assent:purpose": PURPOSE}
        assert wire.create_collection(CollectionId="club", Tags=tags)["StatusCode"] == 200
        with server.rest(key) as rest:
            assert rest.get("/keys").json()["items"][0]["holder"] == first["holder"]
    with served(empty) as server:
        assert server.greeting["first_key"] is None
        assert server.rekognition(key).list_collections()["CollectionIds"] == ["club"]
    entries = empty.json("log", "show", "--last", "100")
    assert {entry["kind"] for entry in entries} >= {"access.granted", "collection.created"}
    assert empty("log", "verify").code == 0


def test_for_people_the_greeting_can_be_pasted(empty: Cli) -> None:
    words = [word for word in command() if word != "--json"]
    environment = {**os.environ, **empty.environment()}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    lines: list[str] = []
    while "aws_access_key_id" not in "".join(lines):
        lines.append(process.stdout.readline())
        assert lines[-1] or len(lines) < 3, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert (process.returncode, out, err) == (0, "", "")
    exported = dict(
        line.split("export ", 1)[1].strip().split("=", 1)
        for line in lines
        if line.strip().startswith("export ")
    )
    assert exported["AWS_ENDPOINT_URL_REKOGNITION"].startswith("http://127.0.0.1:")
    assert empty.json("keys", "list")[0]["id"] == exported["AWS_ACCESS_KEY_ID"]
    assert len(exported["AWS_SECRET_ACCESS_KEY"]) == 40


def test_one_port_three_rooms(house: tuple[Cli, Served, Key], demo_photos: Path) -> None:
    _, server, key = house
    wire = server.rekognition(key)
    image = {"Bytes": (demo_photos / "obama3.jpg").read_bytes()}
    [match, *_] = wire.search_faces_by_image(CollectionId="club", Image=image)["FaceMatches"]
    assert match["Face"]["ExternalImageId"] == "ana"
    with server.rest(key) as rest:
        assert rest.get("/health").json()["status"] == "ok"
        assert rest.get("/openapi.json").json()["openapi"].startswith("3.1")
        assert {p["ref"] for p in rest.get("/people").json()["items"]} == {"ana", "bea"}
        assert rest.get("/nothing").status_code == 404
    page = httpx2.get(server.url, follow_redirects=True)
    assert (page.status_code, "<form" in page.text) == (200, True)


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", "/", {200, 303}),
        ("POST", "/", {400, 403}),
        ("PUT", "/", {405}),
        ("DELETE", "/", {405}),
        ("OPTIONS", "/v1/people", {401, 405}),
        ("GET", "/v1", {401, 404}),
        ("GET", "/v1/", {401, 404}),
        ("GET", "/v1/../etc/passwd", {401, 404}),
        ("GET", "/static/../../../etc/passwd", {404}),
        ("GET", "/static/%2e%2e/%2e%2e/app.py", {404}),
        ("GET", "/nowhere", {404}),
        ("POST", "/nowhere", {403, 404, 405}),
        ("GET", "/%00", {404}),
        ("GET", "/%ff", {404}),
    ],
)
def test_wrong_paths_and_methods(
    house: tuple[Cli, Served, Key], method: str, path: str, statuses: set[int]
) -> None:
    _, server, _ = house
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert int(answer.split(b" ")[1]) in statuses, answer[:300]
    assert b"Traceback" not in answer


def test_overload_is_told_and_over_soon(house: tuple[Cli, Served, Key], demo_photos: Path) -> None:
    _, server, key = house
    image = {"Bytes": (demo_photos / "obama3.jpg").read_bytes()}
    clients = [server.rekognition(key) for _ in range(40)]
    outcomes: list[str] = []
    together = threading.Barrier(len(clients))

    def ask(client: object) -> None:
        together.wait()
        try:
            client.search_faces_by_image(CollectionId="club", Image=image)  # type: ignore[attr-defined]
            outcomes.append("answered")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    counts = Counter(outcomes)
    assert set(counts) == {"answered", "ThrottlingException"}, counts
    assert counts["answered"] >= 9  # one is worked for, eight wait
    assert server.rekognition(key).search_faces_by_image(CollectionId="club", Image=image)["FaceMatches"]


def test_nothing_personal_in_the_servers_log(house: tuple[Cli, Served, Key], demo_photos: Path) -> None:
    _, server, key = house
    photo = numbered((demo_photos / "obama3.jpg").read_bytes(), "a comment in the picture")
    wire = server.rekognition(key)
    wire.search_faces_by_image(CollectionId="club", Image={"Bytes": photo})
    for wrong in (b"no picture at all", photo[:1000]):
        with pytest.raises(ClientError):
            wire.search_faces_by_image(CollectionId="club", Image={"Bytes": wrong})
    with pytest.raises(ClientError):
        server.rekognition(Key(key.id, "wrong-secret-of-forty-characters-00000")).list_collections()
    with server.rest(key) as rest:
        rest.get("/people/ana")
        rest.get("/people", params={"cursor": "ana-lovelace"})
        rest.post("/people", content=b'{"ref": "zoe", "name": "Zoe Zulu"')
        rest.post("/search", files={"photo": photo})
    httpx2.post(f"{server.url}/sign-in", data={"key": key.id, "secret": key.secret})
    lines = server.log()
    text = server.log_path.read_text()
    said = [
        key.secret,
        "wrong-secret",
        "ana",
        "Ana",
        "bea",
        "Lovelace",
        "zoe",
        "Zoe",
        "no picture",
        "a comment in",
        key.id,
    ]
    assert [word for word in said if word in text] == []
    requests = [line for line in lines if "status" in line]
    assert {line["room"] for line in requests} == {"wire", "rest", "console"}
    assert {"SearchFacesByImage", "ListCollections", "/people/{person}"} <= {
        line["operation"] for line in requests
    }
    assert {line["key"] for line in requests} >= {key.id[-4:], None}
    assert not [line for line in lines if line["level"] == "error"]


def test_it_ends_when_asked_and_signs_the_log(club: Cli, demo_photos: Path) -> None:
    key = make_key(club)
    with served(club, "--quiet", env={"ASSENT_CHECKPOINT_EVERY_S": "10000"}) as server:
        image = {"Bytes": (demo_photos / "obama3.jpg").read_bytes()}
        server.rekognition(key).search_faces_by_image(CollectionId="club", Image=image)
        assert server.stop(signal.SIGTERM) == 0
        assert server.log() == []  # quiet
    with Assent(settings=make_settings(club.data.parent, club.models)) as assent:
        assert assent.logbook.checkpoints()[-1].size == len(assent.logbook.entries())
        assert assent.logbook.entries()[-1]["kind"] == "search"


def run_to_end(cli: Cli, *words: object, env: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **cli.environment(), **(env or {})},
    )
    assert done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.startswith("{")]
    return done.returncode, json.loads(line)


def test_what_keeps_it_from_starting_is_said_in_a_line(empty: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, error = run_to_end(empty, "--port", taken.getsockname()[1])
    assert (code, error["error"]) == (14, "AddressUnavailable")
    assert "--port" in str(error["message"])
    code, error = run_to_end(empty, "--tls-cert", tmp_path / "cert.pem")
    assert (code, error["error"]) == (2, "UsageError")
    code, error = run_to_end(empty, env={"ASSENT_MAX_WAITING": "many"})
    assert (code, error["error"]) == (2, "UsageError")
    file = tmp_path / "a-file"
    file.write_text("no folder")
    code, error = run_to_end(empty, env={"ASSENT_DATA_DIR": str(file / "data")})
    assert (code, error["error"]) == (10, "StoreUnavailable")
    assert not empty.data.exists() or empty.json("keys", "list") == []  # no key was made and lost


def test_without_the_extra_it_says_what_to_install(empty: Cli, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['uvicorn'] = None\n")
    code, error = run_to_end(empty, env={"PYTHONPATH": str(tmp_path / "hidden")})
    assert (code, error["error"]) == (2, "UsageError")
    assert "pip install 'assent[server]'" in str(error["message"])


def test_listening_for_other_machines_is_said_aloud(empty: Cli) -> None:
    server = start(empty, "--host", "0.0.0.0")
    try:
        assert server.url.startswith("http://127.0.0.1:")
        first_line = server.log_path.read_text().splitlines()[0]
        assert first_line.startswith("Warning: listening on 0.0.0.0")
        assert "--tls-cert" in first_line
    finally:
        assert server.stop() == 0
        assert server.process.stdout is not None
        server.process.stdout.close()


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:80"),
        ("127.8.8.8", True, "http://127.8.8.8:80"),
        ("::1", True, "http://[::1]:80"),
        ("localhost", True, "http://localhost:80"),
        ("0.0.0.0", False, "http://127.0.0.1:80"),
        ("::", False, "http://[::1]:80"),
        ("10.1.2.3", False, "http://10.1.2.3:80"),
        ("faces.example.org", False, "http://faces.example.org:80"),
    ],
)
def test_addresses(host: str, loopback: bool, url: str) -> None:
    assert is_loopback(host) == loopback
    assert url_of(host, 80, is_tls=False) == url


def test_keys_on_the_command_line(empty: Cli) -> None:
    made = empty.json("keys", "make", "--holder", "door", "--role", "searcher", "-r", "enroller")
    assert (made["roles"], len(made["secret"]), made["revoked_at"]) == (["enroller", "searcher"], 40, None)
    said = empty.ok("keys", "make", "--holder", "desk", "--role", "admin")
    assert "AWS_SECRET_ACCESS_KEY=" in said
    listed = empty.ok("keys", "list")
    assert made["secret"] not in listed
    assert made["secret"] not in empty.ok("keys", "list", "--json")
    assert "Would revoke" in empty.ok("keys", "revoke", made["id"])
    assert empty.json("keys", "list")[0]["revoked_at"] is None
    assert "Revoked" in empty.ok("keys", "revoke", made["id"], "--yes")
    assert empty.json("keys", "list")[0]["revoked_at"] is not None
    assert "was revoked on" in empty.ok("keys", "revoke", made["id"])
    assert empty("keys", "revoke", "ASNTNOSUCHKEY").code == 5
    assert empty("keys", "make", "--holder", "x", "--role", "king").code == 2
    assert empty("keys", "make", "--holder", "two words", "--role", "admin").code == 2


def test_reviews_and_their_policies_on_the_command_line(club: Cli, demo_photos: Path) -> None:
    assert "Two people look" in club.ok("collection", "policy", "club", "--review", "two-person")
    assert club.json("collection", "show", "club")["preset"] == "default"
    assert club("collection", "policy", "club").code == 2
    assert club("collection", "policy", "club", "--review", "three-person").code == 2
    [answer] = club.json("search", demo_photos / "obama3.jpg", "-c", "club", "-p", PURPOSE)
    review = answer["review_id"]
    assert "two people look first" in club.ok(
        "search", demo_photos / "obama3.jpg", "-c", "club", "-p", PURPOSE
    )
    listed = club.json("review", "list")
    assert {r["status"] for r in listed} == {"pending"}
    assert review in {r["id"] for r in listed}
    assert review in club.ok("review", "list")
    outcome = club.json("review", "outcome", review)
    assert (outcome["status"], outcome["confirmed"]) == ("pending", [])
    assert "0 confirmed" in club.ok("review", "outcome", review)
    assert club("review", "outcome", "no-such-review").code == 5
    made = club.json(
        "collection", "create", "big", "-p", PURPOSE, "--beyond-evidence", "review", "--review", "none"
    )
    assert (made["review"], made["beyond_evidence"]) == ("none", "review")
