"""What can be asked of, and done to, the records; each part is documented where it is defined."""

from __future__ import annotations

from assent.store.access import AccessReads
from assent.store.exports import ExportReads
from assent.store.jobedits import JobEditReads, JobEdits
from assent.store.reviews import ReviewReads
from assent.store.rotation import RotationWrites
from assent.store.snapshots import SnapshotReads, SnapshotWrites
from assent.store.users import UserReads
from assent.store.withdrawal import WithdrawalWrites


class Reading(AccessReads, ExportReads, UserReads, ReviewReads, JobEditReads, SnapshotReads):
    """A read-only snapshot of everything that is kept."""


class Transaction(JobEdits, WithdrawalWrites, RotationWrites, SnapshotWrites, Reading):
    """Everything of ``Reading``, and changes; all of them happen, or none."""
