"""The log of a real store: signed as work goes on, and whatever is done to it behind its back is found."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assent import Assent, Settings
from assent.errors import KeyMissing, LogTampered, NotFound, StoreUnavailable, UsageError
from assent.ledger.checkpoint import Checkpoint, format_checkpoints
from assent.store.log import leaf_hash
from tests.builders import Clock, agree
from tests.e2e.cli import Cli
from tests.unit.store.killing import killed_at_every_step

# Processes and whole stories; by default the rooms behind them are tried, and all of this with `make test-slow`.
pytestmark = pytest.mark.slow

NUM_ENTRIES = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nine entries, signed after 3, 6 and 9."""
    folder = tmp_path_factory.mktemp("logged")
    clock = Clock()
    for ref in ("ana", "bea", "cid"):
        with Assent(settings=Settings(data_dir=folder / "data"), actor="desk-1", clock=clock) as assent:
            agree(assent, ref)
            if ref != "ana":
                assent.people.export(ref)  # the notice is there already; three entries each
        clock.advance(hours=1)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The store in this test's own folder."""
    for name in ("data", "data.keys"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[], Assent]]:
    """Opens the store, as often as called."""
    handles: list[Assent] = []

    def open_one() -> Assent:
        handles.append(Assent(settings=Settings(data_dir=folder / "data"), actor="desk-1", clock=Clock()))
        return handles[-1]

    yield open_one
    for handle in handles:
        handle.close()


@pytest.fixture
def cli(folder: Path) -> Cli:
    return Cli(folder / "data", folder / "no-models")


def tamper(folder: Path, *statements: str) -> None:
    """As somebody with the database's file would: the triggers are dropped first."""
    raw = sqlite3.connect(folder / "data" / "records.sqlite3", isolation_level=None)
    try:
        triggers = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)
    finally:
        raw.close()


def rewrite(folder: Path, seq: int, old: str, new: str) -> None:
    """Change an entry and everything that is computed from it: only a checkpoint can know."""
    raw = sqlite3.connect(folder / "data" / "records.sqlite3")
    [entry] = raw.execute("SELECT entry FROM log_entries WHERE seq = ?", [seq]).fetchone()
    raw.close()
    assert old in entry
    forged = entry.replace(old, new)
    tamper(
        folder,
        f"UPDATE log_entries SET entry = '{forged}', leaf_sha256 = '{leaf_hash(forged)}' WHERE seq = {seq}",
    )


# --- signing


def test_every_closing_that_added_entries_signs_them(opened: Callable[[], Assent], folder: Path) -> None:
    handle = opened()
    assert [item.size for item in handle.logbook.checkpoints()] == [3, 6, 9]
    handle.people.list()
    handle.close()
    assert len(handle.logbook.checkpoints()) == 3  # nothing was added
    again = opened()
    again.people.add("dan")
    again.close()
    assert [item.size for item in again.logbook.checkpoints()] == [3, 6, 9, 10]
    result = again.logbook.verify()
    assert (result.num_entries, result.num_signed) == (10, 10)
    kept = folder / "data.keys"
    assert {path.name for path in kept.iterdir()} >= {"checkpoints.txt", "log-signing.key", "log-signing.pub"}
    assert (kept / "log-signing.key").stat().st_mode & 0o777 == 0o600


def test_a_checkpoint_of_what_is_signed_already_is_the_last_one(opened: Callable[[], Assent]) -> None:
    logbook = opened().logbook
    assert logbook.checkpoint() == logbook.checkpoint() == logbook.checkpoints()[-1]


def test_an_act_stands_where_no_checkpoint_can_be_written(
    opened: Callable[[], Assent], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "data.keys" / "checkpoints.txt"
    path.unlink()
    path.mkdir()
    handle = opened()
    handle.people.add("dan")
    handle.close()
    assert "no checkpoint" in caplog.text
    assert "Is a directory" in caplog.text
    assert [entry["kind"] for entry in opened().log()][-1] == "person.added"


def test_the_warning_goes_to_standard_error(folder: Path, cli: Cli) -> None:
    (folder / "data.keys" / "log-signing.key").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "assent", "person", "add", "dan", "--json"],
        env=cli.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["ref"] == "dan"
    assert done.stderr.startswith(
        "Warning: the log was written, but no checkpoint of it: the log's signing key"
    )
    assert done.stderr.count("\n") == 1


def test_processes_that_close_at_once_take_turns(opened: Callable[[], Assent]) -> None:
    handles = [opened() for _ in range(4)]

    def work(handle: Assent, number: int) -> None:
        for turn in range(5):
            handle.people.add(f"p-{number}-{turn}")
            handle.logbook.checkpoint()

    threads = [threading.Thread(target=work, args=pair) for pair in zip(handles, range(4), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [item.size for item in handles[0].logbook.checkpoints()]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == NUM_ENTRIES + 20
    assert handles[0].logbook.verify().num_signed == NUM_ENTRIES + 20


def test_several_stores_share_a_key_file_and_a_file_of_checkpoints(tmp_path: Path) -> None:
    handles = []
    for name in ("one", "two"):
        settings = Settings(data_dir=tmp_path / name, key_file=tmp_path / "keys" / "master.key")
        with Assent(settings=settings) as handle:
            handle.people.add("ana")
            handles.append(handle)
    for handle in handles:
        assert [item.size for item in handle.logbook.checkpoints()] == [1]
        assert len(handle.logbook.public_keys()) == 1
        assert handle.logbook.verify().num_signed == 1
        handle.close()


def test_the_last_checkpoint_is_found_in_a_long_file(opened: Callable[[], Assent], tmp_path: Path) -> None:
    handle = opened()
    own = handle.logbook.checkpoints()
    other = Settings(data_dir=tmp_path / "other", checkpoint_file=handle.settings.checkpoint_path)
    with Assent(settings=other) as assent:
        for number in range(100):
            assent.people.add(f"p-{number}")
            assent.logbook.checkpoint()
    assert handle.settings.checkpoint_path.stat().st_size > 2 * 16 * 1024
    assert handle.logbook.checkpoint() == own[-1]


def add_somebody(folder: Path) -> None:
    with Assent(settings=Settings(data_dir=folder / "data"), clock=Clock()) as assent:
        assent.people.add("dan")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_first", [True, False])
def test_killed_at_any_step_of_signing_it_goes_on_by_itself(
    is_first: bool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = folder / "prepared"
    if is_first:  # a store that was made, and never written to: the key is yet to come
        Assent(settings=Settings(data_dir=prepared / "data")).close()
        assert not (prepared / "data.keys" / "log-signing.key").exists()
    else:
        for name in ("data", "data.keys"):
            shutil.copytree(folder / name, prepared / name)
    scratch = folder / "scratch"
    seen = set()
    for step, killed in killed_at_every_step(prepared, scratch, add_somebody):
        with Assent(settings=Settings(data_dir=killed / "data"), clock=Clock()) as assent:
            before = assent.logbook.verify()
            seen.add((before.num_entries, before.num_signed))
            assent.people.add(f"after-{step}")
        assert assent.logbook.verify().num_signed == before.num_entries + 1
        assert len(assent.logbook.public_keys()) == 1
        assent.close()
    start = 0 if is_first else NUM_ENTRIES
    assert seen == {(start, start), (start + 1, start), (start + 1, start + 1)}
    assert caplog.text == ""


# --- what is lost


def test_a_lost_signing_key_is_said_and_a_new_one_goes_on(
    opened: Callable[[], Assent], folder: Path, cli: Cli
) -> None:
    [old] = cli.json("log", "key")["public_keys"]
    (folder / "data.keys" / "log-signing.key").unlink()
    handle = opened()
    handle.people.add("dan")
    with pytest.raises(
        KeyMissing, match=r"signing key is gone from .*log-signing.key; .*log key --new --yes"
    ):
        handle.logbook.checkpoint()
    assert handle.logbook.verify().num_signed == NUM_ENTRIES  # the public key is still there
    assert "--yes" in cli.ok("log", "key", "--new")
    assert cli.json("log", "key", "--new")["public_keys"] == [old]
    assert len(cli.json("log", "key", "--new", "--yes")["public_keys"]) == 2
    made = handle.logbook.checkpoint()
    assert made.size == NUM_ENTRIES + 1
    assert made.key_id != handle.logbook.checkpoints()[0].key_id
    assert handle.logbook.verify().num_signed == NUM_ENTRIES + 1
    with pytest.raises(LogTampered, match="signed by the key"):
        handle.logbook.verify(keys=handle.logbook.public_keys()[:1])


@pytest.mark.parametrize("damage", ["{}", "not json", '{"format": "assent-log-keys-1", "keys": [{}]}'])
def test_a_damaged_signing_key_is_said_without_it(
    opened: Callable[[], Assent], folder: Path, damage: str
) -> None:
    (folder / "data.keys" / "log-signing.key").write_text(damage)
    with pytest.raises(KeyMissing, match="damaged"):
        opened().logbook.checkpoint()


def test_a_signing_key_that_others_may_read_is_refused(opened: Callable[[], Assent], folder: Path) -> None:
    (folder / "data.keys" / "log-signing.key").chmod(0o644)
    with pytest.raises(KeyMissing, match="chmod 600"):
        opened().logbook.checkpoint()


def test_lost_checkpoints_are_said_and_not_made_anew_by_themselves(
    opened: Callable[[], Assent], folder: Path, cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "data.keys" / "checkpoints.txt").unlink()
    handle = opened()
    handle.people.add("dan")
    handle.close()
    assert "checkpoints of this log are gone" in caplog.text
    for work in (handle.logbook.verify, handle.logbook.checkpoint, handle.logbook.export):
        with pytest.raises(LogTampered, match=r"gone from .*--start-anew"):
            work()
    assert cli.json("log", "checkpoint", "--start-anew")["num_entries"] == NUM_ENTRIES + 1
    assert handle.logbook.verify().num_signed == NUM_ENTRIES + 1


def test_a_file_of_checkpoints_that_was_cut_is_said(opened: Callable[[], Assent], folder: Path) -> None:
    path = folder / "data.keys" / "checkpoints.txt"
    path.write_bytes(path.read_bytes()[:-40])
    logbook = opened().logbook
    with pytest.raises(LogTampered, match="middle of a checkpoint"):
        logbook.checkpoint()
    with pytest.raises(LogTampered, match="middle of one"):
        logbook.verify()


def test_files_that_cannot_be_read_are_said(opened: Callable[[], Assent], folder: Path) -> None:
    (folder / "data.keys" / "log-signing.pub").unlink()
    (folder / "data.keys" / "log-signing.pub").mkdir()
    with pytest.raises(StoreUnavailable, match=r"cannot use .*log-signing.pub"):
        opened().logbook.verify()


# --- what is done behind its back

WHERE = (1, 5, NUM_ENTRIES)
VALUES = {
    "seq": ("-1", "0", "100", "'x'", "x'00'", "1.5"),
    "at": ("'2026-03-01T12:00:00.000001Z'", "''", "'yesterday'", "x'00'", "7"),
    "kind": ("'search'", "''", "x'00'", "5"),
    "entry": ("'{}'", "''", "x'7b7d'", "entry || ' '", "replace(entry, 'desk', 'disk')"),
    "leaf_sha256": ("''", "upper(leaf_sha256)", "x'00'", "0", "printf('%064d', 1)"),
}


def altering_statements() -> list[str]:
    # NOT NULL holds without triggers, so that NULL cannot get in
    return [
        f"UPDATE log_entries SET {column} = {value} WHERE seq = {seq}"
        for column, values in VALUES.items()
        for value in values
        for seq in WHERE
    ]


@pytest.mark.parametrize("statement", altering_statements())
def test_any_altered_column_is_found(folder: Path, opened: Callable[[], Assent], statement: str) -> None:
    tamper(folder, statement)
    with pytest.raises(LogTampered, match=r"^entry \d+"):
        opened().logbook.verify()


def test_every_byte_of_an_entry_counts(folder: Path, opened: Callable[[], Assent]) -> None:
    logbook = opened().logbook
    tamper(folder)
    raw = sqlite3.connect(folder / "data" / "records.sqlite3", isolation_level=None)
    [entry] = raw.execute("SELECT entry FROM log_entries WHERE seq = 5").fetchone()
    for at in range(len(entry)):
        flipped = entry[:at] + chr(ord(entry[at]) ^ 1) + entry[at + 1 :]
        raw.execute("UPDATE log_entries SET entry = ? WHERE seq = 5", [flipped])
        with pytest.raises(LogTampered, match=r"^entry 5\b") as caught:
            logbook.verify()
        assert caught.value.seq == 5
    raw.execute("UPDATE log_entries SET entry = ? WHERE seq = 5", [entry])
    raw.close()
    assert logbook.verify().num_entries == NUM_ENTRIES


@pytest.mark.parametrize("seq", range(1, NUM_ENTRIES + 1))
def test_a_deleted_entry_is_found(folder: Path, opened: Callable[[], Assent], seq: int) -> None:
    tamper(folder, f"DELETE FROM log_entries WHERE seq = {seq}")
    with pytest.raises(LogTampered) as caught:
        opened().logbook.verify()
    assert caught.value.seq == seq


def test_reordered_entries_are_found(folder: Path, opened: Callable[[], Assent]) -> None:
    tamper(
        folder,
        *(f"UPDATE log_entries SET seq = {new} WHERE seq = {old}" for old, new in ((4, 0), (5, 4), (0, 5))),
    )
    with pytest.raises(LogTampered, match=r"^entry 4 is missing or out of its place"):
        opened().logbook.verify()


def test_an_inserted_entry_is_found(folder: Path, opened: Callable[[], Assent]) -> None:
    columns = "at, kind, entry, leaf_sha256"
    for seq in (-5, NUM_ENTRIES + 1, 1000):
        tamper(
            folder,
            "DELETE FROM log_entries WHERE seq NOT BETWEEN 1 AND 9",
            f"INSERT INTO log_entries SELECT {seq}, {columns} FROM log_entries WHERE seq = 3",
        )
        with pytest.raises(LogTampered, match="out of its place"):
            opened().logbook.verify()


@pytest.mark.parametrize("left", range(NUM_ENTRIES))
def test_a_log_cut_short_is_found_by_its_checkpoints(
    folder: Path, opened: Callable[[], Assent], left: int, caplog: pytest.LogCaptureFixture
) -> None:
    tamper(folder, f"DELETE FROM log_entries WHERE seq > {left}")
    handle = opened()
    with pytest.raises(LogTampered, match=f"cut off: it ends after entry {left}"):
        handle.logbook.verify()
    with pytest.raises(LogTampered, match="cut off"):
        handle.logbook.checkpoint()
    if left == NUM_ENTRIES - 2:
        handle.people.add("dan")
        handle.close()
        assert "cut off" in caplog.text


@pytest.mark.parametrize("seq", range(1, NUM_ENTRIES + 1))
def test_a_rewritten_entry_is_found_by_the_checkpoint_after_it(
    folder: Path, opened: Callable[[], Assent], seq: int
) -> None:
    rewrite(folder, seq, "desk-1", "desk-2")
    with pytest.raises(LogTampered, match="rewritten") as caught:
        opened().logbook.verify()
    assert caught.value.seq == 3 * ((seq - 1) // 3) + 1  # somewhere since the last checkpoint that agrees


def test_a_rewritten_log_does_not_get_itself_signed(folder: Path, opened: Callable[[], Assent]) -> None:
    rewrite(folder, 2, "desk-1", "desk-2")
    handle = opened()
    handle.people.add("dan")
    handle.close()
    assert handle.logbook.checkpoints()[-1].size == NUM_ENTRIES + 1
    for work in (handle.logbook.verify, lambda: handle.logbook.prove(1), handle.logbook.export):
        with pytest.raises(LogTampered):
            work()


def test_with_the_checkpoints_rewritten_too_only_one_kept_elsewhere_knows(
    folder: Path, opened: Callable[[], Assent], cli: Cli
) -> None:
    """The thief has the machine, the signing key too; docs/log.md says what that means."""
    kept, key = folder / "kept.txt", folder / "key.txt"
    kept.write_text(cli.ok("log", "checkpoint"))
    key.write_text(cli.ok("log", "key"))
    rewrite(folder, 2, "desk-1", "desk-2")
    (folder / "data.keys" / "checkpoints.txt").unlink()
    cli.ok("log", "checkpoint", "--start-anew")
    assert cli.json("log", "verify", "--key", key)["num_signed"] == NUM_ENTRIES
    error = cli("log", "verify", "--checkpoint", kept, "--json").error()
    assert (error["error"], error["exit_code"]) == ("LogTampered", 10)
    assert "rewritten" in error["message"]
    assert cli("log", "consistency", kept).code == 10
    exported = folder / "log.jsonl"
    cli.ok("log", "export", "--out", exported)
    assert cli("log", "verify", "--export", exported).code == 0
    assert cli("log", "verify", "--export", exported, "--checkpoint", kept, "--key", key).code == 10


# --- proofs and exports, from the command line


@pytest.fixture
def elsewhere(tmp_path: Path) -> Cli:
    """Another machine: no data folder, and none may be made."""
    return Cli(tmp_path / "nowhere" / "data", tmp_path / "nowhere" / "models")


def test_a_proof_is_checked_elsewhere(cli: Cli, elsewhere: Cli, folder: Path) -> None:
    proof, key = folder / "proof.json", folder / "key.txt"
    key.write_text(cli.ok("log", "key"))
    for seq in range(1, NUM_ENTRIES + 1):
        assert f"check it with: assent log verify-proof {proof}" in cli.ok(
            "log", "prove", seq, "--out", proof
        )
        said = elsewhere.ok("log", "verify-proof", proof, "--key", key)
        assert said.startswith(f"The proof holds: entry {seq} is in the log of 9 entries")
    assert cli.ok("log", "prove", seq) == proof.read_text()
    found = elsewhere.json("log", "verify-proof", proof, "--key", key.read_text().strip())
    assert (found["holds"], found["seq"]) == (True, NUM_ENTRIES)
    proof.write_text(proof.read_text().replace("desk-1", "desk-2"))
    error = elsewhere("log", "verify-proof", proof, "--key", key, "--json").error()
    assert (error["error"], error["exit_code"]) == ("LogTampered", 10)
    assert not elsewhere.data.parent.exists()


def test_an_entry_that_is_not_there_has_no_proof(opened: Callable[[], Assent]) -> None:
    for seq in (0, NUM_ENTRIES + 1):
        with pytest.raises(NotFound, match=f"1 to {NUM_ENTRIES}, got {seq}"):
            opened().logbook.prove(seq)


def test_the_log_of_an_older_checkpoint_was_extended(cli: Cli, elsewhere: Cli, folder: Path) -> None:
    kept, proof, key = folder / "kept.txt", folder / "proof.json", folder / "key.txt"
    key.write_text(cli.ok("log", "key"))
    kept.write_text(cli.ok("log", "checkpoint"))
    cli.ok("person", "add", "dan")
    cli.ok("log", "consistency", kept, "--out", proof)
    said = elsewhere.ok("log", "verify-proof", proof, "--key", key)
    assert "(10 entries) is that of" in said
    assert cli.json("log", "consistency", kept)["format"] == "assent-log-consistency-1"


def test_an_export_is_verified_elsewhere(cli: Cli, elsewhere: Cli, folder: Path) -> None:
    kept, exported, key = folder / "kept.txt", folder / "log.jsonl", folder / "key.txt"
    key.write_text(cli.ok("log", "key"))
    kept.write_text(cli.ok("log", "checkpoint").replace("\n", "\r\n"))  # by mail
    cli.ok("person", "add", "dan")
    assert cli.json("log", "export", "--out", exported)["num_entries"] == NUM_ENTRIES + 1
    assert cli.ok("log", "export") == exported.read_text()
    line = ("log", "verify", "--export", exported, "--checkpoint", kept, "--key", key)
    found = elsewhere.json(*line)
    assert (found["num_entries"], found["num_signed"], found["num_checkpoints"]) == (10, 10, 2)
    assert "in order and unaltered" in elsewhere.ok(*line)
    assert "came with the export" in elsewhere.ok("log", "verify", "--export", exported)
    lines = exported.read_text().splitlines(keepends=True)
    exported.write_text("".join([*lines[:4], *lines[5:]]))
    printed = elsewhere(*line)
    assert (printed.code, printed.out) == (10, "")
    assert "entry 4 is missing or out of its place" in printed.err
    assert not elsewhere.data.parent.exists()


def test_the_log_verifies_from_the_command_line(cli: Cli, folder: Path) -> None:
    said = cli.ok("log", "verify")
    assert "Entries: 9, in order and unaltered; root " in said
    assert "Checkpoints that agree: 3" in said
    assert "lie on this machine" in said
    tamper(folder, "UPDATE log_entries SET kind = 'search' WHERE seq = 7")
    printed = cli("log", "verify")
    assert (printed.code, printed.out) == (10, "")
    assert printed.err == "Error: entry 7: its kind beside the entry is not the one in it\n"


def test_entries_that_no_checkpoint_covers_are_counted(opened: Callable[[], Assent], cli: Cli) -> None:
    opened().people.add("dan")  # not closed yet
    assert "No checkpoint covers the last 1" in cli.ok("log", "verify")


def test_a_new_store_has_an_empty_log_that_verifies(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "new", tmp_path / "models")
    assert cli.json("log", "verify")["num_entries"] == 0
    checkpoint = cli.json("log", "checkpoint")
    assert checkpoint["num_entries"] == 0
    assert Checkpoint.parse(checkpoint["text"]).size == 0
    assert cli.json("log", "verify")["num_checkpoints"] == 1
    assert cli("log", "prove", "1").code == 5


def test_a_new_store_may_be_asked_for_its_key_first(tmp_path: Path) -> None:
    for words in ((), ("--new", "--yes")):
        cli = Cli(tmp_path / f"new{len(words)}", tmp_path / "models")
        [key] = cli.json("log", "key", *words)["public_keys"]
        cli.ok("person", "add", "dan")
        assert cli.json("log", "verify", "--key", key)["num_signed"] == 1


def test_words_that_are_off_are_said(cli: Cli, folder: Path, opened: Callable[[], Assent]) -> None:
    absent, binary, text = folder / "absent", folder / "binary", folder / "text"
    binary.write_bytes(b"\xff\xfe")
    text.write_text("hello\n")
    for path in (absent, binary):
        for line in (
            ("verify", "--export", path),
            ("verify", "--checkpoint", path),
            ("verify", "--key", path),
            ("consistency", path),
            ("verify-proof", path, "--key", text),
        ):
            printed = cli("log", *line)
            assert (printed.code, printed.out) == (2, ""), (line, printed)
    assert cli("log", "verify", "--key", text).code == 2
    assert cli("log", "verify-proof", text, "--key", text).code == 2
    assert cli("log", "consistency", text).code == 10
    assert cli("log", "verify", "--export", text).code == 10
    other = Assent(settings=Settings(data_dir=folder / "other"))
    text.write_text(format_checkpoints([other.logbook.checkpoint()]))
    other.close()
    assert "expected a checkpoint of assent/" in cli("log", "verify", "--checkpoint", text).err
    assert cli("log", "consistency", text).code == 2


def test_who_acts_is_an_id(folder: Path) -> None:
    for actor in ("Ana Lovelace", "x" * 129, "é"):
        with pytest.raises(UsageError, match="not a name"):
            Assent(settings=Settings(data_dir=folder / "data"), actor=actor)
