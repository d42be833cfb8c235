"""A console over the test's own data folder."""

from __future__ import annotations

import pytest

from assent import Assent
from tests.unit.console.builders import Consoles


@pytest.fixture
def consoles(assent: Assent) -> Consoles:
    return Consoles.of(assent)
