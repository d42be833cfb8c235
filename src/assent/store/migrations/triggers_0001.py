"""Promises held by the database itself, whatever a bug above it tries (SQLite and PostgreSQL).

Frozen with revision 0001.
"""

from __future__ import annotations

from assent.store.migrations.triggers import Rule, postgresql_trigger, sqlite_trigger

CONSENT_FACTS = (
    "id",
    "person_id",
    "controller",
    "purpose",
    "notice_id",
    "method",
    "evidence_sha256",
    "legal_basis",
    "given_at",
    "expires_at",
    "recorded_at",
)
COLLECTION_FACTS = ("id", "purpose", "model_digest", "dim")
TEMPLATE_FACTS = ("id", "collection_id", "person_id", "consent_id", "image_mac")

_RULES: tuple[Rule, ...] = (
    (
        "templates",
        "INSERT",
        "consent-of-another-person",
        "NOT EXISTS (SELECT 1 FROM consents c WHERE c.id = NEW.consent_id AND c.person_id = NEW.person_id)",
    ),
    (
        "templates",
        "INSERT",
        "consent-withdrawn",
        "EXISTS (SELECT 1 FROM consents c WHERE c.id = NEW.consent_id AND c.withdrawn_at IS NOT NULL)",
    ),
    (
        "templates",
        "INSERT",
        "consent-for-another-purpose",
        "NOT EXISTS (SELECT 1 FROM consents c JOIN collections k ON k.purpose = c.purpose"
        " WHERE c.id = NEW.consent_id AND k.id = NEW.collection_id)",
    ),
    ("templates", "UPDATE", "template-facts-are-final", "changed:TEMPLATE_FACTS"),
    ("consents", "DELETE", "consents-are-kept-as-proof", None),
    ("consents", "UPDATE", "consent-facts-are-final", "changed:CONSENT_FACTS"),
    ("consents", "UPDATE", "withdrawal-is-final", "OLD.withdrawn_at IS NOT NULL"),
    (
        "consents",
        "UPDATE",
        "templates-outlive-consent",
        "NEW.withdrawn_at IS NOT NULL AND EXISTS (SELECT 1 FROM templates t WHERE t.consent_id = NEW.id)",
    ),
    ("collections", "UPDATE", "collection-facts-are-final", "changed:COLLECTION_FACTS"),
    ("notices", "UPDATE", "notices-are-final", None),
    ("notices", "DELETE", "notices-are-final", None),
    ("receipts", "UPDATE", "receipts-are-final", None),
    ("receipts", "DELETE", "receipts-are-final", None),
    (
        "log_entries",
        "INSERT",
        "log-is-append-only",
        "NEW.seq <> (SELECT coalesce(max(l.seq), 0) + 1 FROM log_entries l)",
    ),
    ("log_entries", "UPDATE", "log-is-append-only", None),
    ("log_entries", "DELETE", "log-is-append-only", None),
)
_FACTS = {
    "changed:TEMPLATE_FACTS": TEMPLATE_FACTS,
    "changed:CONSENT_FACTS": CONSENT_FACTS,
    "changed:COLLECTION_FACTS": COLLECTION_FACTS,
}
_PROTECTED_FROM_TRUNCATE = ("consents", "notices", "receipts", "log_entries")


def _condition(condition: str | None, differs: str) -> str:
    """The rule's condition as SQL; ``differs`` is the null-safe inequality of the database."""
    if condition is None:
        return "1 = 1"
    if condition in _FACTS:
        return " OR ".join(f"OLD.{name} {differs} NEW.{name}" for name in _FACTS[condition])
    return condition


def _name(number: int, rule: Rule) -> str:
    return f"{rule[0]}_{rule[1].lower()}_{number}"


def sqlite_statements() -> list[str]:
    """One trigger per rule."""
    return [
        sqlite_trigger(rule, _name(number, rule), _condition(rule[3], "IS NOT"))
        for number, rule in enumerate(_RULES, start=1)
    ]


def postgresql_statements() -> list[str]:
    """One function and trigger per rule."""
    statements: list[str] = []
    for number, rule in enumerate(_RULES, start=1):
        # the consent row is locked, so that a withdrawal at the same moment comes wholly before or after
        lock = (
            "PERFORM 1 FROM consents WHERE id = NEW.consent_id FOR SHARE; "
            if rule[:2] == ("templates", "INSERT")
            else ""
        )
        condition = _condition(rule[3], "IS DISTINCT FROM")
        statements += postgresql_trigger(rule, _name(number, rule), condition, first=lock)
    statements.append(
        "CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING MESSAGE = 'assent: ' || TG_TABLE_NAME || '-is-not-truncated',"
        " ERRCODE = '23514'; END $$"
    )
    statements += [
        f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate()"
        for table in _PROTECTED_FROM_TRUNCATE
    ]
    return statements
