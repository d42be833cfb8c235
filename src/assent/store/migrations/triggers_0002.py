"""Promise 5 held by the database itself: no confirmation without two people. Frozen with revision 0002."""

from __future__ import annotations

from assent.store.migrations.triggers import Rule, postgresql_trigger, sqlite_trigger

_RULES: tuple[tuple[str, Rule], ...] = (
    (
        "review_pairs_need_two",
        (
            "review_pairs",
            "UPDATE",
            "two-people-confirm",
            "NEW.outcome = 'confirmed' AND (SELECT count(*) FROM review_judgements j"
            " WHERE j.pair_id = NEW.id AND j.verdict = 'same') < 2",
        ),
    ),
    (
        "review_pairs_start_open",
        ("review_pairs", "INSERT", "two-people-confirm", "NEW.outcome IS NOT NULL"),
    ),
    (
        "review_judgements_final",
        ("review_judgements", "UPDATE", "judgements-are-final", "1 = 1"),
    ),
)


def sqlite_statements() -> list[str]:
    """One trigger per rule."""
    return [sqlite_trigger(rule, name, str(rule[3])) for name, rule in _RULES]


def postgresql_statements() -> list[str]:
    """One function and trigger per rule."""
    return [statement for name, rule in _RULES for statement in postgresql_trigger(rule, name, str(rule[3]))]
