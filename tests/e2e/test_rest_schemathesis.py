"""Schemathesis' own program against the live interface: every phase, and operations one after another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assent import Assent
from assent.store.access import Role
from tests.e2e.ports import listening
from tests.unit.rest.builders import mounted

# These two know nothing of photos and of rules between members; ``fits_means_taken`` in the unit tests stands in.
NOT_CHECKED = "positive_data_acceptance"


@pytest.mark.slow
def test_every_phase_finds_nothing(assent: Assent, tmp_path: Path) -> None:
    made = assent.access.make("fuzzer", [Role.ADMIN])
    program = str(Path(sys.executable).with_name("schemathesis"))
    with listening(mounted(assent)) as address:
        command = [
            program,
            "run",
            f"{address}/v1/openapi.json",
            "--auth",
            f"{made.key.id}:{made.secret}",
            "--exclude-checks",
            NOT_CHECKED,
            "--max-examples",
            "25",
            "--seed",
            "1",
            "--continue-on-failure",
            "--no-color",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=1800)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
