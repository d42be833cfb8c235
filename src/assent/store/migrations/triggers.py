"""Rules that the database itself holds, as triggers of SQLite and of PostgreSQL.

A rule is (table, operation, name of the refusal, condition over OLD and NEW; None refuses always).
``assent.store.faults`` turns the name into a typed error.
"""

from __future__ import annotations

from collections.abc import Sequence

Rule = tuple[str, str, str, str | None]


def sqlite_trigger(rule: Rule, name: str, condition: str) -> str:
    """One trigger. BEFORE INSERT also sees ``INSERT OR REPLACE``."""
    table, operation, refusal, _ = rule
    return (
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table} WHEN {condition}"
        f" BEGIN SELECT RAISE(ABORT, 'assent: {refusal}'); END"
    )


def postgresql_trigger(rule: Rule, name: str, condition: str, *, first: str = "") -> Sequence[str]:
    """A function and its trigger; 23514 is check_violation, which drivers report as integrity.

    Args:
        rule: what is refused.
        name: of both.
        condition: the rule's, in PostgreSQL's words.
        first: statements to run before the condition is looked at, each ending in "; ".
    """
    table, operation, refusal, _ = rule
    row = "OLD" if operation == "DELETE" else "NEW"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {first}"
        f"IF {condition} THEN"
        f" RAISE EXCEPTION 'assent: {refusal}' USING ERRCODE = '23514'; END IF; RETURN {row}; END $$",
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )
