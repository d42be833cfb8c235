"""A whole command killed at any step leaves records that open, hold together, and take the same command again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assent import Assent
from tests.builders import make_settings
from tests.e2e import killed_at
from tests.e2e.cli import PURPOSE, Cli
from tests.e2e.test_bad_input import held

FEW, MANY = 2, 20


def run_killed(cli: Cli, kill_at: int, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, killed_at.__file__, str(kill_at), str(cli.data.parent), *map(str, words)]
    env = {**os.environ, **cli.environment()}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def killed_everywhere(made_club: Path, club: Cli, num_points: int, *words: object) -> Iterator[int]:
    """Run the command line in a fresh copy of the club, killed at so many of its steps; yields after each."""
    whole = run_killed(club, 0, *words)
    assert whole.returncode == 0, whole.stderr
    num_steps = int(whole.stderr.splitlines()[-1])
    assert num_steps > 20
    for kill_at in sorted({1 + (num_steps - 1) * i // (num_points - 1) for i in range(num_points)}):
        for name in ("data", "data.keys"):
            shutil.rmtree(club.data.parent / name)
            shutil.copytree(made_club / name, club.data.parent / name)
        assert run_killed(club, kill_at, *words).returncode == -signal.SIGKILL
        yield kill_at


def assert_whole(cli: Cli) -> None:
    """Every template opens, every person's mean is of exactly their templates, and every act has its record."""
    with (
        Assent(settings=make_settings(cli.data.parent, cli.models)) as assent,
        assent._ctx.records.reading() as tx,
    ):
        rows = tx.gallery_rows("club", kind="template")
        users = tx.gallery_rows("club", kind="user")
        for ref, number in zip(users.person_refs, users.num_templates, strict=True):
            assert len(tx.person_vectors("club", ref)) == number
        assert sum(users.num_templates) == len(rows.vectors) == len(tx.templates("club"))
        entries = tx.log_entries()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    now = held(cli)  # checks the database's integrity and foreign keys
    assert len(now.rows["receipts"]) == sum(
        kind.startswith("consent.") and kind != "consent.recorded" for kind in now.log
    )
    names = {path.name for path in cli.data.parent.rglob("*") if path.is_file()}
    assert not {name for name in names if name.startswith(".") or name.endswith((".part", ".tmp"))}


POINTS = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("num_points", POINTS)
def test_enrol_killed(made_club: Path, club: Cli, demo_photos: Path, num_points: int) -> None:
    photos = [demo_photos / "obama3.jpg", demo_photos / "obama_partial_face.jpg"]
    line = ("enrol", *photos, "--person", "ana", "-c", "club")
    seen = set()
    for _ in killed_everywhere(made_club, club, num_points, *line):
        assert_whole(club)
        shown = club.json("collection", "show", "club")
        seen.add(shown["num_templates"])
        assert shown["num_templates"] == len(
            club.json("log", "show", "--last", "1000", "--kind", "template.added")
        )
        again = club(*line)
        assert again.code in (0, 6)  # what was enrolled before the end came is enrolled already
        assert club.json("collection", "show", "club")["num_templates"] == 5
    assert seen == {3, 4, 5} if num_points == MANY else seen <= {3, 4, 5}, seen


@pytest.mark.parametrize("num_points", POINTS)
def test_withdraw_killed(made_club: Path, club: Cli, demo_photos: Path, num_points: int) -> None:
    consent = club.json("consent", "list", "ana")[0]["id"]
    line = ("consent", "withdraw", consent, "--yes")
    seen = set()
    for _ in killed_everywhere(made_club, club, num_points, *line):
        assert_whole(club)
        is_live = club.json("consent", "show", consent)["is_live"]
        seen.add(is_live)
        [answer] = club.json("search", demo_photos / "obama3.jpg", "-c", "club", "-p", PURPOSE)
        found = [c["person"] for face in answer["faces"] for c in face["candidates"]]
        assert found == (["ana"] if is_live else [])
        assert club.json("collection", "show", "club")["num_templates"] == (3 if is_live else 1)
        assert len(held(club).rows["receipts"]) == (not is_live)
        receipt = club.json(*line)
        assert receipt["consent_id"] == consent
        assert [place["num_destroyed"] for place in receipt["destroyed"]] == [2]
    assert seen == {True, False}
