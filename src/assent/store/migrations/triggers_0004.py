"""Promise 2 held by the database itself: no result names whose consent has ended. Frozen with revision 0004."""

from __future__ import annotations

from assent.store.migrations.triggers import Rule, postgresql_trigger, sqlite_trigger

_RULES: tuple[tuple[str, Rule], ...] = (
    (
        "job_matches_need_consent",
        (
            "job_matches",
            "INSERT",
            "consent-withdrawn",
            "NOT EXISTS (SELECT 1 FROM consents c WHERE c.id = NEW.consent_id AND c.person_id = NEW.person_id"
            " AND c.withdrawn_at IS NULL)",
        ),
    ),
    ("job_matches_final", ("job_matches", "UPDATE", "results-are-final", "1 = 1")),
    (
        "consents_end_results",
        (
            "consents",
            "UPDATE",
            "results-outlive-consent",
            "NEW.withdrawn_at IS NOT NULL AND EXISTS (SELECT 1 FROM job_matches m WHERE m.consent_id = NEW.id)",
        ),
    ),
)
_LOCK = "PERFORM 1 FROM consents WHERE id = NEW.consent_id FOR SHARE; "


def sqlite_statements() -> list[str]:
    """One trigger per rule."""
    return [sqlite_trigger(rule, name, str(rule[3])) for name, rule in _RULES]


def postgresql_statements() -> list[str]:
    """One function and trigger per rule."""
    return [
        statement
        for name, rule in _RULES
        for statement in postgresql_trigger(
            rule, name, str(rule[3]), first=_LOCK if rule[:2] == ("job_matches", "INSERT") else ""
        )
    ]
