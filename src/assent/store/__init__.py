"""Records: people, notices, consents, collections, sealed templates, receipts and the log.

``Records.open`` gives a store; ``transaction()`` and ``reading()`` give what can be done to it. SQLite in
one folder by default, PostgreSQL by URL. How secrets are kept: ``docs/decisions/0003-keys.md``.
"""

from __future__ import annotations

from assent.store.access import AccessKey, NewAccessKey, RequestToken, Role
from assent.store.jobvalues import JobDone, JobRecord, JobState, MatchRecord, NewJob, NewMatch
from assent.store.live import LiveEvent, LiveEventKind, NewLiveEvent
from assent.store.places import AgreedPerson, CameraRecord, PlaceRecord
from assent.store.records import Records
from assent.store.reviews import NewPair, PairOutcome, PairRecord, ReviewRecord, ReviewStatus, Verdict
from assent.store.transaction import Reading, Transaction
from assent.store.values import (
    BeyondEvidence,
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
    ReviewPolicy,
    RotationRecord,
    TemplateRecord,
    UserRecord,
)

__all__ = [
    "AccessKey",
    "AgreedPerson",
    "BeyondEvidence",
    "CameraRecord",
    "CollectionRecord",
    "ConsentMethod",
    "ConsentRecord",
    "DestroyedTemplates",
    "EndCause",
    "GalleryKind",
    "GalleryRows",
    "GallerySize",
    "JobDone",
    "JobRecord",
    "JobState",
    "LiveEvent",
    "LiveEventKind",
    "LogEntry",
    "MatchRecord",
    "NewAccessKey",
    "NewJob",
    "NewLiveEvent",
    "NewMatch",
    "NewPair",
    "NoticeRecord",
    "PairOutcome",
    "PairRecord",
    "PersonRecord",
    "PlaceRecord",
    "Reading",
    "ReceiptRecord",
    "Records",
    "RequestToken",
    "ReviewPolicy",
    "ReviewRecord",
    "ReviewStatus",
    "Role",
    "RotationRecord",
    "TemplateRecord",
    "Transaction",
    "UserRecord",
    "Verdict",
]
