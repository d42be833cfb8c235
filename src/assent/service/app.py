"""The front door: one open data folder and everything that can be done with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assent.config import Settings
from assent.errors import UsageError
from assent.models.store import ModelStore
from assent.objects import ObjectStore
from assent.service import (
    annotating,
    comparing,
    detecting,
    enrolling,
    importing,
    redacting,
    redacting_videos,
    searching,
    verifying,
    watching,
)
from assent.service.access import AccessKeys
from assent.service.collections import Collections
from assent.service.context import Clock, Context, default_actor
from assent.service.faces import Choose
from assent.service.galleries import Among
from assent.service.images import ImageSource
from assent.service.importing import ImportedRow
from assent.service.jobs import Jobs
from assent.service.logbook import Logbook
from assent.service.people import Consents, People
from assent.service.places import Places
from assent.service.redacting import RedactedPhoto, Redaction
from assent.service.redacting_videos import RedactedVideo
from assent.service.results import (
    AnnotatedPhoto,
    Comparison,
    DetectionResult,
    Enrolment,
    IndexedPhoto,
    SearchResult,
    Verification,
)
from assent.service.reviewing import Reviews
from assent.service.searching import Faces
from assent.service.streams import Streams
from assent.service.users import Users
from assent.service.videolibrary import Videos
from assent.service.watching import Timeline
from assent.service.working import Worker
from assent.store.access import AccessKey, Role
from assent.store.records import Records, utc_now
from assent.types import JsonObject
from assent.video.types import Progress

if TYPE_CHECKING:
    from assent.service.calibrating import CalibrationResult
    from assent.service.liveoptions import LiveOptions
    from assent.service.liveworking import LiveWorker, Outputs
    from assent.service.living import LiveRun
    from assent.vision.engine import FaceEngine


class Assent:
    """Face matching for people who said yes.

    Example:
        >>> with Assent(data_dir="club") as assent:  # doctest: +SKIP
        ...     assent.models.pull()
        ...     assent.people.add("ana", name="Ana")
        ...     assent.consents.record("ana", purpose="club-photos", ...)
        ...     assent.collections.create("club", purpose="club-photos")
        ...     assent.enrol("ana.jpg", person="ana", collection="club")
        ...     assent.search("party.jpg", collection="club", purpose="club-photos").candidates

    Args:
        data_dir: the data folder; ``settings.data_dir`` when None.
        settings: everything else; from the environment when None.
        actor: who acts, written into every entry of the log: an id, not a name. The operating system's user number
            by default.
        clock: gives the present moment, with a time zone.
        engine: networks that are loaded already, to share between data folders; by default loaded at first use.

    Raises:
        StoreUnavailable: the folder or database cannot be used.
        StoreTooNew: it was written by a newer version.
        KeyMissing: its key file is gone, unreadable, or another one.
        UsageError: ``actor`` is not an id.

    Attributes:
        people: add, list, erase people; export what is held on one.
        consents: record, list, withdraw consents.
        collections: make, list, delete collections; set their policy.
        places: where people agreed to be recognised in live video, and what was seen there.
        streams: cameras that workers watch, until they are stopped.
        users: people of whom somebody said which photos count.
        jobs: what takes longer than a request, and what came of it.
        videos: those that were sent to be looked at; who is hidden in their copies.
        reviews: what two people must look at before a search names anybody.
        access: keys for whoever asks over the network.
        logbook: the record of acts: list, sign, verify, prove, export.
        models: pull, add and verify model files.
        settings: where things are.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        settings: Settings | None = None,
        actor: str | None = None,
        clock: Clock = utc_now,
        engine: FaceEngine | None = None,
    ) -> None:
        chosen = settings or Settings()
        if data_dir is not None:
            chosen = chosen.model_copy(update={"data_dir": Path(data_dir)})
        self.settings = chosen
        who = actor or default_actor()
        records = Records.open(chosen.records_url, chosen.key_path, clock=clock, actor=who)
        self._bind(Context(chosen, records, clock=clock, actor=who, engine=engine))

    def _bind(self, ctx: Context) -> None:
        self._ctx = ctx
        self.people = People(ctx)
        self.consents = Consents(ctx)
        self.collections = Collections(ctx)
        self.places = Places(ctx)
        self.streams = Streams(ctx)
        self.users = Users(ctx)
        self.reviews = Reviews(ctx)
        self.jobs = Jobs(ctx)
        self.videos = Videos(ctx, self.jobs)
        self.access = AccessKeys(ctx)
        self.logbook = Logbook(ctx)
        self.models: ModelStore = ctx.models

    def acting_as(self, key: AccessKey) -> Assent:
        """The same open data folder for the holder of an access key; cheap, one for each request.

        Everything done through it is logged as theirs and held to the key's roles. Only the original is closed.

        Args:
            key: as ``access.authenticate`` gives it.
        """
        view = copy.copy(self)
        view._bind(self._ctx.acting_as(key))
        return view

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop templates and networks from memory, sign the log if it grew, and close the records."""
        try:
            self.logbook.checkpoint_at_closing()
        finally:
            self._ctx.close()

    def enrol(
        self,
        image: ImageSource,
        *,
        person: str,
        collection: str,
        choose: Choose = "only",
        allow_mismatch: bool = False,
    ) -> Enrolment:
        """Make one template of one photo of a person who agreed (see ``assent.service.enrolling.enrol``)."""
        return enrolling.enrol(
            self._ctx,
            image,
            person=person,
            collection=collection,
            choose=choose,
            allow_mismatch=allow_mismatch,
        )

    def index(
        self, image: ImageSource, *, person: str, collection: str, allow_mismatch: bool = False
    ) -> IndexedPhoto:
        """Enrol the largest face; a poor or absent one is an answer (see ``assent.service.enrolling.index``)."""
        return enrolling.index(
            self._ctx, image, person=person, collection=collection, allow_mismatch=allow_mismatch
        )

    def search(
        self,
        image: ImageSource,
        *,
        collection: str,
        purpose: str,
        threshold: float | None = None,
        max_candidates: int = 5,
        thorough: bool = False,
        faces: Faces = "all",
        among: Among = "people",
    ) -> SearchResult:
        """Who of a collection may be in a photo (see ``assent.service.searching.search``)."""
        return searching.search(
            self._ctx,
            image,
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            max_candidates=max_candidates,
            thorough=thorough,
            faces=faces,
            among=among,
        )

    def search_template(
        self,
        template_id: str,
        *,
        collection: str,
        purpose: str,
        threshold: float | None = None,
        max_candidates: int = 5,
        among: Among = "people",
    ) -> SearchResult:
        """Who is like the person in an enrolled photo (see ``assent.service.searching.search_template``)."""
        return searching.search_template(
            self._ctx,
            template_id,
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            max_candidates=max_candidates,
            among=among,
        )

    def search_person(
        self,
        person: str,
        *,
        collection: str,
        purpose: str,
        threshold: float | None = None,
        max_candidates: int = 5,
    ) -> SearchResult:
        """Which other users are like one (see ``assent.service.searching.search_person``)."""
        return searching.search_person(
            self._ctx,
            person,
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            max_candidates=max_candidates,
        )

    def timeline(
        self,
        video: Path | str,
        *,
        collection: str,
        purpose: str,
        threshold: float | None = None,
        progress: Progress | None = None,
    ) -> Timeline:
        """Who of a collection may be in a video, and when (see ``assent.service.watching.watch``)."""
        found = watching.watch(
            self._ctx,
            Path(video),
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            progress=progress,
        )
        return watching.timeline_of(found.findings, found.named)

    def worker(self, *, objects: ObjectStore | None = None) -> Worker:
        """Somebody to work on the jobs, in a thread of the caller's; each is done as whoever asked for it.

        Args:
            objects: where stored videos are; as the settings say when None.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        return Worker(self._ctx, objects=objects)

    def compare(self, source: ImageSource, target: ImageSource, *, threshold: float = 80.0) -> Comparison:
        """Which faces of one photo may be the person in another (see ``assent.service.comparing.compare``)."""
        return comparing.compare(self._ctx, source, target, threshold=threshold)

    def verify(
        self,
        image: ImageSource,
        *,
        person: str,
        collection: str,
        purpose: str,
        threshold: float = 80.0,
        choose: Choose = "only",
    ) -> Verification:
        """Whether a photo shows one enrolled person (see ``assent.service.verifying.verify``)."""
        return verifying.verify(
            self._ctx,
            image,
            person=person,
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            choose=choose,
        )

    def detect(self, image: ImageSource, *, thorough: bool = False) -> DetectionResult:
        """The faces of a photo and their quality; nothing that identifies, nothing kept."""
        return detecting.detect(self._ctx, image, thorough=thorough)

    def annotate(self, image: ImageSource, result: SearchResult) -> AnnotatedPhoto:
        """The photo with candidates framed and named and every other face hidden.

        Args:
            image: the photo that was searched.
            result: the search's answer, made with ``thorough=True`` so that small faces are hidden too.
        """
        return annotating.annotate(self._ctx, image, result)

    def live(
        self,
        place: str,
        *,
        camera: str | None = None,
        source: str | None = None,
        options: LiveOptions | None = None,
        tell: Callable[[JsonObject], None] | None = None,
    ) -> LiveRun:
        """Get ready to recognise people at a place in live video (see ``assent.service.living.open_live``).

        Raises:
            UsageError: the ``video`` extra is not installed.
        """
        try:
            from assent.service.living import open_live
        except ModuleNotFoundError as error:
            raise UsageError(
                f"live video needs {error.name}, which is not installed; run: pip install 'assent[video]'"
            ) from error
        return open_live(self._ctx, place, camera=camera, source=source, options=options, tell=tell)

    def live_worker(
        self,
        *,
        max_streams: int = 4,
        options: LiveOptions | None = None,
        outputs: Outputs | None = None,
    ) -> LiveWorker:
        """A worker for streams that were started (see ``streams``); its ``run`` works until it is told to stop.

        Args:
            max_streams: at once.
            options: how each is to run.
            outputs: makes what a stream's sightings go to; None where they go nowhere.

        Raises:
            Forbidden: the caller is no admin.
            UsageError: the ``video`` extra is not installed.
        """
        self._ctx.require(Role.ADMIN)
        try:
            from assent.service.liveworking import LiveWorker
        except ModuleNotFoundError as error:
            raise UsageError(
                f"live video needs {error.name}, which is not installed; run: pip install 'assent[video]'"
            ) from error
        return LiveWorker(self._ctx, max_streams=max_streams, options=options, outputs=outputs)

    def redact_photo(self, source: Path, target: Path, asked: Redaction | None = None) -> RedactedPhoto:
        """Write a copy of a photo with faces hidden (see ``assent.service.redacting.redact_photo``)."""
        return redacting.redact_photo(self._ctx, source, target, asked or Redaction())

    def redact_video(
        self,
        source: Path,
        target: Path,
        asked: Redaction | None = None,
        *,
        edit: Path | None = None,
        looking: Callable[[float, float | None], None] | None = None,
        writing: Callable[[float, float | None], None] | None = None,
        stop: Callable[[], None] | None = None,
        threads: int = 0,
    ) -> RedactedVideo:
        """Write a copy of a video with faces hidden (see ``assent.service.redacting_videos.redact_video``)."""
        return redacting_videos.redact_video(
            self._ctx,
            source,
            target,
            asked or Redaction(),
            edit=edit,
            looking=looking,
            writing=writing,
            stop=stop,
            threads=threads,
        )

    def check_redaction(self, asked: Redaction) -> None:
        """Refuse early what could not be done (see ``assent.service.redacting.check_redaction``)."""
        redacting.check_redaction(self._ctx, asked)

    def import_consents(
        self,
        path: Path,
        *,
        dry_run: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[ImportedRow, ...]:
        """Record many consents from a CSV file (see ``assent.service.importing.import_consents``)."""
        return importing.import_consents(self._ctx, path, dry_run=dry_run, progress=progress)

    def calibrate(
        self,
        folders: Sequence[Path],
        *,
        listings: Sequence[Path] = (),
        description: str,
        exclusions: Path | None = None,
        sheet_dir: Path | None = None,
        inspection: str = "not inspected",
        out: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CalibrationResult:
        """Measure the default model's error rates on labelled photos and write its profile.

        Args:
            folders: each holds a folder for each person, and is a data set of its own.
            listings: CSV files with the columns ``image``, ``subject`` and, optionally, ``group``.
            description: who these people are and what the pictures are like.
            exclusions: CSV with the columns ``image`` and ``reason``.
            sheet_dir: folder for a picture of the most alike pairs of different people.
            inspection: what became of the look at that picture.
            out: the profile; by default in the data folder, where searches find it.
            progress: called with (pictures done, pictures in all).

        Raises:
            UsageError: a folder or file that is not there or malformed, or the ``calibrate`` extra is not installed.
            TooFewTrials: too few people.
            CalibrationContradicted: the reporting half disagrees with the choosing half; no profile is written.
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        try:
            from assent.evaluation.pictures import ReadOptions
            from assent.service.calibrating import CalibrationOptions, calibrate_folders
        except ModuleNotFoundError as error:
            raise UsageError(
                f"calibrating needs {error.name}, which is not installed; run: pip install 'assent[calibrate]'"
            ) from error
        engine = self._ctx.engine
        result = calibrate_folders(
            engine,
            folders,
            out=out or self._ctx.calibrations_dir / f"{engine.model_digest[:16]}.json",
            options=CalibrationOptions(
                description=description,
                inspection=inspection,
                read=ReadOptions(
                    max_bytes=self.settings.max_image_bytes, max_pixels=self.settings.max_image_pixels
                ),
            ),
            listings=listings,
            exclusions=exclusions,
            sheet_dir=sheet_dir,
            progress=progress,
        )
        self._ctx.forget_profiles()
        return result

    def save_galleries(self) -> int:
        """Save the large galleries that are in memory, encrypted, so that the next process starts fast.

        Done by the server from time to time, and when a data folder is closed.

        Returns:
            How many parts were written.

        Raises:
            Forbidden: the caller is no admin.
            IndexUnavailable: the disk refuses; searches go on.
        """
        self._ctx.require(Role.ADMIN)
        return self._ctx.galleries.save(self._ctx.records)

    def rotate_master_key(self) -> None:
        """Wrap all keys anew under a new master key, and destroy the old one.

        Older backups of the records can then no longer be decrypted, so that people who withdrew are gone from
        these too.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        self._ctx.records.rotate_master_key()

    def warm_up(self) -> None:
        """Load the networks now rather than at the first photo.

        Raises:
            ModelMissing: not pulled yet.
            ModelCorrupt: a file is not what it was.
        """
        self._ctx.engine.warm_up()

    def now(self) -> datetime:
        """The present moment by this data folder's clock."""
        return self._ctx.clock()

    def log(self, *, kinds: Sequence[str] = ()) -> list[JsonObject]:
        """The record of acts, oldest first: random ids and numbers only.

        Args:
            kinds: only these kinds of act; all when empty.
        """
        return self.logbook.entries(kinds=kinds)
