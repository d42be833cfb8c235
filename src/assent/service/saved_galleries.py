"""Large galleries on the disk, so that a process that starts need not decrypt every template of the records.

One encrypted file a part (people whose ids begin alike) and kind of reference. The records hold each file's key,
digest, count and epoch; whoever destroys anything of a person destroys the keys of that person's part in the same
transaction. A file that disagrees with the records in anything is not used: its part is read from the records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assent.calibration.profile import ReferenceKind
from assent.errors import IndexUnavailable, SnapshotUnusable
from assent.gallery import Index, Rows, Saved, Seal
from assent.gallery.saving import read_rows, save_rows
from assent.store.records import Records
from assent.store.snapshots import PARTS, PersonEntry, SnapshotRecord
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord

_SUFFIX = ".gallery"
_STALE_SHARE = 8
"""A part is saved again where more than one in so many of its people changed."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedPart:
    """A part as a file had it, less those who changed since.

    Attributes:
        rows: by kind, what the file had of everybody else.
        entries: who that is, as the records have them now.
        changed: ids of those to be read from the records.
    """

    rows: dict[ReferenceKind, Rows]
    entries: list[PersonEntry]
    changed: list[str]


class SavedGalleries:
    """The files of one data folder.

    Args:
        folder: where they are; made when first needed.
        min_people: smaller galleries are not saved.
    """

    def __init__(self, folder: Path, *, min_people: int) -> None:
        self._folder = folder
        self._min_people = min_people

    def is_large(self, tx: Reading, collection: CollectionRecord) -> bool:
        """Whether a collection is worth files."""
        return tx.gallery_size(collection.name).num_people >= self._min_people

    def load(
        self, tx: Reading, collection: CollectionRecord, part: str, records: Sequence[SnapshotRecord]
    ) -> SavedPart:
        """A part from its files, checked against the records.

        Raises:
            SnapshotUnusable: nothing is saved of it, or a file is missing, altered, or disagrees with the records.
        """
        if not records:
            raise SnapshotUnusable("nothing is saved of this part; it is read from the records")
        epoch = min(record.epoch for record in records)
        changed = tx.changed_in_part(collection.name, part, after_epoch=epoch)
        entries = {entry.person_id: entry for entry in tx.part_entries(collection.name, part)}
        rows: dict[ReferenceKind, Rows] = {}
        seen: set[str] = set()
        for record in records:
            kind = ReferenceKind(record.kind)
            read = read_rows(
                self._path(record.id),
                _seal(record, collection),
                Saved(record.num_rows, record.sha256),
                dim=collection.dim,
            )
            kept = ~np.isin(read.keys, np.array([key.encode() for key in changed], np.bytes_))
            rows[kind] = Rows(read.keys[kept], read.templates[kept], read.expires_s[kept])
            for key in rows[kind].keys.tolist():
                entry = entries.get(key.decode())
                if entry is None or (entry.num_templates > 1) != (kind is ReferenceKind.MEAN):
                    raise SnapshotUnusable(
                        "a saved gallery and the records disagree; this part is read from the records"
                    )
                seen.add(entry.person_id)
        known = seen | set(changed)
        # whoever had no live consent when it was saved is in no file; the records say whether they have one now
        changed += [person_id for person_id in entries if person_id not in known]
        return SavedPart(rows, [entries[person_id] for person_id in seen], changed)

    def save(
        self, records: Records, collection: CollectionRecord, epoch: int, indexes: dict[ReferenceKind, Index]
    ) -> int:
        """Save the parts of a gallery of which there is no file, or one that is long out of date.

        Args:
            records: where the keys go.
            collection: whose gallery it is.
            epoch: of the gallery.
            indexes: its templates by kind, under people's ids; they may change meanwhile.

        Returns:
            How many parts were saved.

        Raises:
            IndexUnavailable: the disk refuses; what was saved before still is.
        """
        with records.reading() as tx:
            if collection.id not in {made.id for made in tx.collections()}:
                return 0
            parts = self._parts_to_save(tx, collection)
        num_saved = 0
        for part in parts:
            made = self._write(collection, epoch, part, indexes)
            if not made:
                continue  # nobody is in it
            with records.transaction() as tx:
                is_kept = collection.id in {made.id for made in tx.collections()} and tx.keep_snapshots(
                    collection.name, part, made
                )
            if is_kept:
                num_saved += 1
            else:
                self._remove(record.id for record in made)
        with records.reading() as tx:
            self.clean(tx)
        return num_saved

    def clean(self, tx: Reading) -> None:
        """Remove files that nothing opens any more; a file that is just being made is made again later.

        Raises:
            IndexUnavailable: the disk refuses.
        """
        if self._folder.is_dir():
            known = tx.snapshot_ids()
            self._remove({path.stem for path in self._folder.glob(f"*{_SUFFIX}")} - known)

    def _parts_to_save(self, tx: Reading, collection: CollectionRecord) -> list[str]:
        saved: dict[str, list[SnapshotRecord]] = {}
        for record in tx.snapshots(collection.name):
            saved.setdefault(record.part, []).append(record)

        def is_due(part: str) -> bool:
            files = saved.get(part)
            if not files or not all(self._path(file.id).exists() for file in files):
                return True
            epoch = min(file.epoch for file in files)
            changed = len(tx.changed_in_part(collection.name, part, after_epoch=epoch))
            return changed * _STALE_SHARE > sum(file.num_rows for file in files)

        return [part for part in PARTS if is_due(part)]

    def _write(
        self, collection: CollectionRecord, epoch: int, part: str, indexes: dict[ReferenceKind, Index]
    ) -> list[SnapshotRecord]:
        made: list[SnapshotRecord] = []
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for kind, index in indexes.items():
                record = SnapshotRecord.fresh(collection.id, part, kind.value, epoch)
                saved = save_rows(index, self._path(record.id), _seal(record, collection), prefix=part)
                if saved.count:
                    made.append(dataclasses.replace(record, num_rows=saved.count, sha256=saved.sha256))
                else:
                    self._remove([record.id])
        except OSError as error:
            raise IndexUnavailable(
                f"cannot save galleries in {self._folder}: {error.strerror or error}; make room there"
            ) from error
        except IndexUnavailable:
            self._remove(record.id for record in made)
            raise
        return made

    def _remove(self, ids: Iterable[str]) -> None:
        try:
            for snapshot_id in ids:
                self._path(snapshot_id).unlink(missing_ok=True)
        except OSError as error:
            raise IndexUnavailable(
                f"cannot remove old files in {self._folder}: {error.strerror or error}; they cannot be read any more"
            ) from error

    def _path(self, snapshot_id: str) -> Path:
        return self._folder / f"{snapshot_id}{_SUFFIX}"


def _seal(record: SnapshotRecord, collection: CollectionRecord) -> Seal:
    facts = {
        "snapshot": record.id,
        "collection": collection.id,
        "model": collection.model_digest,
        "part": record.part,
        "kind": record.kind,
        "epoch": record.epoch,
    }
    return Seal(record.key, facts)
