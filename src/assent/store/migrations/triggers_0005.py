"""Promises 1 and 2 held by the database itself, for live video. Frozen with revision 0005."""

from __future__ import annotations

from assent.store.migrations.triggers import Rule, postgresql_trigger, sqlite_trigger

_AGREED = (
    "SELECT 1 FROM consent_places p JOIN consents c ON c.id = p.consent_id WHERE p.consent_id = NEW.consent_id"
    " AND p.place_id = NEW.place_id AND c.person_id = NEW.person_id AND c.withdrawn_at IS NULL"
)
_RULES: tuple[tuple[str, Rule], ...] = (
    (
        "live_events_need_consent",
        ("live_events", "INSERT", "not-agreed-to-this-place", f"NOT EXISTS ({_AGREED})"),
    ),
    (
        "consents_end_after_live_events",
        (
            "consents",
            "UPDATE",
            "live-events-outlive-consent",
            "NEW.withdrawn_at IS NOT NULL AND EXISTS (SELECT 1 FROM live_events e WHERE e.consent_id = NEW.id)",
        ),
    ),
    (
        "consent_places_fit",
        (
            "consent_places",
            "INSERT",
            "consent-for-another-purpose",
            "NOT EXISTS (SELECT 1 FROM consents c JOIN collections k ON k.purpose = c.purpose"
            " JOIN places p ON p.collection_id = k.id"
            " WHERE c.id = NEW.consent_id AND p.id = NEW.place_id AND c.withdrawn_at IS NULL)",
        ),
    ),
    ("consent_places_final", ("consent_places", "UPDATE", "consent-facts-are-final", "1 = 1")),
    ("consent_places_kept", ("consent_places", "DELETE", "consents-are-kept-as-proof", "1 = 1")),
)


def sqlite_statements() -> list[str]:
    """One trigger per rule."""
    return [sqlite_trigger(rule, name, str(rule[3])) for name, rule in _RULES]


def postgresql_statements() -> list[str]:
    """One function and trigger per rule."""
    return [statement for name, rule in _RULES for statement in postgresql_trigger(rule, name, str(rule[3]))]
