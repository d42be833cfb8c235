"""The accuracy page's tables are made from the profile and from the record, and both are of what ships."""

from __future__ import annotations

import json

from benchmarks.audit_page import MADE_BY, PAGE, RECORD, parts_of, render

from assent.calibration.profile import builtin_profile


def test_the_page_says_what_was_recorded():
    page = PAGE.read_text(encoding="utf-8")
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert render(page, recorded) == page, "run python -m benchmarks.audit_page --render"
    assert page.count(MADE_BY) == len(parts_of(recorded))


def test_every_table_of_the_page_is_made():
    """Outside the marks there is prose alone."""
    written, is_made = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        is_made = MADE_BY in line or (is_made and not line.startswith("<!-- end of"))
        if line.startswith("|") and not is_made:
            written.append(line)
    assert written == []


def test_the_record_is_of_the_engine_that_has_the_default_profile():
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    for name, part in recorded.items():
        profile = builtin_profile(part["engine"])
        assert profile is not None, (
            f"the record of {name} is of other models; run python -m benchmarks.audit_page"
        )


def test_the_record_names_nobody():
    text = RECORD.read_text(encoding="utf-8")
    assert ".jpg" not in text
    assert "first_image" not in text
    assert "probes/" not in text
