from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from assent.service.logbook import read_keys, verify_export, verify_proof
from assent.version import __version__
from tests.e2e.cli import Cli
from tests.unit.rest.builders import Api


def test_entries_are_ids_and_numbers(api: Api) -> None:
    api.agree("ana")
    items = api.ok("GET", "/log/entries")["items"]
    assert [entry["seq"] for entry in items] == list(range(1, len(items) + 1))
    kinds = [entry["kind"] for entry in items]
    assert kinds[-3:] == ["person.added", "notice.added", "consent.recorded"]
    assert "Ana" not in str(items)
    page = api.ok("GET", "/log/entries", params={"limit": 2})
    rest = api.ok("GET", "/log/entries", params={"cursor": page["next_cursor"]})
    assert page["items"] + rest["items"] == items
    some = api.ok("GET", "/log/entries", params={"kind": ["person.added", "notice.added"]})["items"]
    assert [entry["kind"] for entry in some] == ["person.added", "notice.added"]


def test_proofs_hold_without_the_log(api: Api, tmp_path: Path) -> None:
    api.agree("ana")
    first = api.ok("POST", "/log/checkpoints")
    assert first == api.ok("POST", "/log/checkpoints")
    assert api.ok("GET", "/log/checkpoints") == [first]
    keys = api.ok("GET", "/log/public-keys")["public_keys"]
    api.agree("bea")
    proof = api.send("GET", "/log/entries/2/proof").text
    verify_proof(proof, read_keys(keys))
    consistent = api.send("POST", "/log/consistency", json={"checkpoint": first["text"]})
    verify_proof(consistent.text, read_keys(keys))
    (tmp_path / "proof.json").write_text(proof)
    cli = Cli(tmp_path / "elsewhere", tmp_path / "models")
    assert "The proof holds" in cli.ok("log", "verify-proof", tmp_path / "proof.json", "--key", keys[0])


def test_the_export_is_audited_elsewhere(api: Api) -> None:
    api.agree("ana")
    response = api.send("GET", "/log/export")
    assert response.headers["content-type"].startswith("application/jsonl")
    result = verify_export(response.text)
    assert result.num_entries == result.num_signed == len(api.ok("GET", "/log/entries")["items"])


def test_a_log_is_verified_against_what_was_kept(api: Api) -> None:
    api.agree("ana")
    kept = api.ok("POST", "/log/checkpoints")
    api.agree("bea")
    keys = api.ok("GET", "/log/public-keys")["public_keys"]
    body = {"checkpoints": kept["text"], "public_keys": keys}
    for given in (None, {}, body):
        answer = api.ok("POST", "/log/verify", json=given)
        assert (answer["is_intact"], answer["finding"]) == (True, None)
        assert answer["num_entries"] > answer["num_signed"] == kept["num_entries"]


def test_an_altered_log_is_an_answer_that_names_the_entry(api: Api) -> None:
    api.agree("ana")
    api.ok("POST", "/log/checkpoints")
    file = api.assent.settings.data_dir / "records.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entries'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE log_entries SET entry = replace(entry, 'person', 'pxrson') WHERE seq = 5")
        database.commit()
    answer = api.ok("POST", "/log/verify")
    assert (answer["is_intact"], answer["first_wrong_seq"], answer["num_entries"]) == (False, 5, None)
    assert "entry 5" in answer["finding"]
    api.error("GET", "/log/entries/1/proof", 409, "LogTampered")


def test_another_logs_checkpoint_is_the_callers_mistake(api: Api) -> None:
    text = api.ok("POST", "/log/checkpoints")["text"]
    api.error(
        "POST", "/log/consistency", 409, "LogTampered", json={"checkpoint": text.replace("time", "tine")}
    )


def test_access_keys(api: Api) -> None:
    made = api.ok("POST", "/keys", status=201, json={"holder": "desk-3", "roles": ["searcher", "searcher"]})
    secret = made.pop("secret")
    assert (made["holder"], made["roles"], made["revoked_at"]) == ("desk-3", ["searcher"], None)
    listed = api.send("GET", "/keys")
    assert made in listed.json()["items"]
    assert secret not in listed.text
    assert api.client.get("/v1/collections", auth=(made["id"], secret)).status_code == 200
    revoked = api.ok("DELETE", f"/keys/{made['id']}")
    assert revoked["revoked_at"]
    assert api.client.get("/v1/collections", auth=(made["id"], secret)).status_code == 401
    api.error("DELETE", "/keys/ASNTAAAAAAAAAAAAAAAA", 404, "NotFound")
    for body in (
        {"holder": "a b", "roles": ["admin"]},
        {"holder": "a", "roles": []},
        {"holder": "a", "roles": ["x"]},
    ):
        api.error("POST", "/keys", 422, "InvalidRequest", json=body)


def test_health(api: Api) -> None:
    for by in api.keys:
        answer = api.ok("GET", "/health", by=by)
        assert (answer["status"], answer["version"], answer["api"]) == ("ok", __version__, "v1")
