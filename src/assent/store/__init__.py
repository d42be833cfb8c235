"""Records: people, notices, consents, collections, sealed templates, receipts and the log.

``Records.open`` gives a store; ``transaction()`` and ``reading()`` give what can be done to it. SQLite in
one folder by default, PostgreSQL by URL. How secrets are kept: ``docs/decisions/0003-keys.md``.
"""

from __future__ import annotations

from assent.store.records import Records
from assent.store.transaction import Reading, Transaction
from assent.store.values import (
    CollectionRecord,
    ConsentMethod,
    ConsentRecord,
    DestroyedTemplates,
    EndCause,
    GalleryKind,
    GalleryRows,
    GallerySize,
    LogEntry,
    NoticeRecord,
    PersonRecord,
    ReceiptRecord,
    RotationRecord,
    TemplateRecord,
)

__all__ = [
    "CollectionRecord",
    "ConsentMethod",
    "ConsentRecord",
    "DestroyedTemplates",
    "EndCause",
    "GalleryKind",
    "GalleryRows",
    "GallerySize",
    "LogEntry",
    "NoticeRecord",
    "PersonRecord",
    "Reading",
    "ReceiptRecord",
    "Records",
    "RotationRecord",
    "TemplateRecord",
    "Transaction",
]
