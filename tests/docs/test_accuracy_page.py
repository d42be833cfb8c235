"""The audit's part of the accuracy page is made from its record, and the record is of the models that ship."""

from __future__ import annotations

import json

from benchmarks.audit_page import PAGE, RECORD, put_into, render

from assent.calibration.profile import builtin_profile


def test_the_page_says_what_was_recorded():
    page = PAGE.read_text(encoding="utf-8")
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert put_into(page, render(recorded)) == page, "run python -m benchmarks.audit_page --render"


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
