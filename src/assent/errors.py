"""Everything Assent raises on purpose.

Each message says what was expected, what came, and what to do next; none carries an image, a template,
a person's name or a secret. ``exit_code`` is what the command line exits with (``docs/errors.md``).

    AssentError                      1
    |- UsageError                    2   the caller's words are off (also typer's own code)
    |  |- QuotaExceeded                  more than this version holds
    |  |  `- TooManyJobs                 as many jobs wait or run as may
    |  `- ScoreFileError                 a file of scores is not what it should be; says which line
    |- ImageError                    3
    |  |- UnreadableImage                truncated, not an image, a format that is not accepted
    |  `- ImageTooLarge                  over the limit on bytes or pixels
    |- FaceError                     4
    |  |- NoFace                         no face in the image
    |  |- SeveralFaces                   more than one where exactly one was expected
    |  |- PoorQuality                    the face is refused; ``reasons`` says why
    |  `- FaceMismatch                   not the face of the person's earlier photos
    |- NotFound                      5   no such person, consent, collection, template or model
    |- AlreadyExists                 6
    |  `- TokenReused                    a request token that stood for another request
    |- ConsentError                  7
    |  |- NoLiveConsent                  none given, withdrawn, or expired
    |  |- WrongPurpose                   the consent covers another purpose than the collection's
    |  `- IncompleteConsent              a field the law asks for is missing or malformed
    |- CalibrationError              8
    |  |- NoCalibration                  no profile for this model; no 1:N search without one
    |  |- GalleryBeyondEvidence          more enrolled than the calibration's n_max supports
    |  |- ThresholdBeyondEvidence        a stricter threshold than the calibration can tell apart
    |  |- TooFewTrials                   the images cannot support what was asked of them
    |  `- CalibrationContradicted        the reporting half disagrees with the choosing half
    |- ModelError                    9
    |  |- ModelMissing                   not pulled yet
    |  |- ModelCorrupt                   a file whose sha256 is not the manifest's
    |  |- ModelUnsupported               a file this version cannot read
    |  `- DownloadFailed                 the package index or address did not give the file
    |- StoreError                   10
    |  |- StoreUnavailable               cannot be opened, read or written (folder, disk, server)
    |  |- StoreTooNew                    written by a newer version
    |  |- KeyMissing                     the key file is gone, unreadable, or not this store's
    |  |- LogTampered                    the log, a checkpoint or a proof is not what it was
    |  |- IndexUnavailable               an index's disk or server refuses, or its parts disagree
    |  |- SnapshotUnusable               a saved index is truncated, altered, or of something else
    |  `- NotEnoughMemory                said before it starts, with the number
    |- AccessError                  11
    |  |- NotAuthenticated               no such access key, a wrong secret, or revoked
    |  `- Forbidden                      the key's roles do not cover this
    |- ReviewError                  12
    |  |- ReviewRequired                 the collection answers through two people's review only
    |  |- ReviewClosed                   decided, lapsed, or the person withdrew
    |  `- SameReviewer                   this person has judged the pair already
    |- ObjectError                  13
    |  |- ObjectUnavailable              no such bucket or object, or its server does not give it
    |  `- ObjectTooLarge                 over the limit; no more than that was read
    |- AddressUnavailable           14   the server cannot listen there: taken, not allowed, not this machine's
    |- EndpointError                15   the service under audit refuses, throttles, or does not answer
    |- VideoError                   16
    |  |- UnreadableVideo                truncated, no video, a kind that is not read, or without a frame
    |  |- VideoTooLarge                  over the limit on pixels, bytes or length
    |  `- UndecodableFrame               a frame that cannot be read, where that is to stop the work
    |- JobError                     17
    |  `- JobNotReady                    it has not succeeded, so that there is nothing to fetch
    `- LiveError                    18
       |- PlaceNotReady                  no notice is posted there, or nobody agreed to be recognised there
       `- SourceUnavailable              no picture comes from there: address, password, format, or nothing at all
"""

from __future__ import annotations

from typing import ClassVar

from assent.types import QualityReason


class AssentError(Exception):
    """The base of everything raised on purpose.

    Attributes:
        exit_code: what the command line exits with.
        message: one line for a person.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(AssentError, ValueError):
    """An argument is outside what is accepted."""

    exit_code = 2


class QuotaExceeded(UsageError):
    """More than this version holds of something."""


class TooManyJobs(QuotaExceeded):
    """As many jobs wait or run as may."""


class ScoreFileError(UsageError):
    """A file of scores is not what it should be.

    Attributes:
        file: its name.
        line: the line, from 1; None where it is the file as a whole.
    """

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{file}, line {line}: {message}" if line is not None else f"{file}: {message}")
        self.file = file
        self.line = line


class ImageError(AssentError):
    """The image cannot be used."""

    exit_code = 3


class UnreadableImage(ImageError):
    """Truncated, not an image, or of a format that is not accepted."""


class ImageTooLarge(ImageError):
    """Over the limit on bytes or pixels; raised before pixels are allocated."""


class FaceError(AssentError):
    """The image is fine, its faces are not."""

    exit_code = 4


class NoFace(FaceError):
    """No face was found where one is needed."""


class SeveralFaces(FaceError):
    """More than one face where exactly one is needed.

    Attributes:
        num_faces: how many were found.
    """

    def __init__(self, message: str, *, num_faces: int) -> None:
        super().__init__(message)
        self.num_faces = num_faces


class PoorQuality(FaceError):
    """The face is refused.

    Attributes:
        reasons: why, in the order of ``QualityReason``; never empty.
    """

    def __init__(self, message: str, *, reasons: tuple[QualityReason, ...]) -> None:
        super().__init__(message)
        self.reasons = reasons


class FaceMismatch(FaceError):
    """The face is unlike those that were enrolled for this person before.

    Attributes:
        similarity: to the person's earlier photos, 0 to 100.
    """

    def __init__(self, message: str, *, similarity: float) -> None:
        super().__init__(message)
        self.similarity = similarity


class NotFound(AssentError, LookupError):
    """No such person, consent, collection, template or model."""

    exit_code = 5


class AlreadyExists(AssentError):
    """That name is taken."""

    exit_code = 6


class TokenReused(AlreadyExists):
    """A request token came again with another request."""


class ConsentError(AssentError):
    """Nobody is recognised who did not say yes."""

    exit_code = 7


class NoLiveConsent(ConsentError):
    """None was given, or it was withdrawn, or it has expired."""


class WrongPurpose(ConsentError):
    """The consent covers another purpose than the collection's."""


class IncompleteConsent(ConsentError):
    """A field that a consent must have is missing or malformed."""


class CalibrationError(AssentError):
    """No score without an error rate."""

    exit_code = 8


class NoCalibration(CalibrationError):
    """There is no calibration profile for this model."""


class GalleryBeyondEvidence(CalibrationError):
    """More people are enrolled than the calibration's evidence supports at this policy.

    Attributes:
        gallery_size: people enrolled.
        n_max: what the evidence supports.
    """

    def __init__(self, message: str, *, gallery_size: int, n_max: int) -> None:
        super().__init__(message)
        self.gallery_size = gallery_size
        self.n_max = n_max


class ThresholdBeyondEvidence(CalibrationError):
    """A stricter threshold was asked for than the calibration's evidence can tell apart."""


class TooFewTrials(CalibrationError):
    """The data cannot support what was asked of them."""


class CalibrationContradicted(CalibrationError):
    """The subjects held back for reporting disagree with those the thresholds were chosen on."""


class ModelError(AssentError):
    """A model cannot be had or used."""

    exit_code = 9


class ModelMissing(ModelError):
    """Not pulled yet."""


class ModelCorrupt(ModelError):
    """A file whose sha256 is not the manifest's."""


class ModelUnsupported(ModelError):
    """A file that this version cannot read or run."""


class DownloadFailed(ModelError):
    """The package index or address did not give the file."""


class StoreError(AssentError):
    """The records cannot be used."""

    exit_code = 10


class StoreUnavailable(StoreError):
    """Cannot be opened, read or written: folder, permissions, disk, or server."""


class StoreTooNew(StoreError):
    """Written by a newer version of Assent."""


class KeyMissing(StoreError):
    """The key file is gone, unreadable, or not the one these records were written with."""


class LogTampered(StoreError):
    """The log, a checkpoint, an export or a proof is not what was written.

    Attributes:
        seq: the first entry that is wrong, from 1; None where it cannot be told, or no entry is.
    """

    def __init__(self, message: str, *, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


class IndexUnavailable(StoreError):
    """The disk or the server that holds an index refuses, or parts of the index disagree."""


class SnapshotUnusable(StoreError):
    """A saved index is truncated, altered, or of another collection, model or moment."""


class NotEnoughMemory(StoreError):
    """An index would not fit; said before it starts.

    Attributes:
        needed_bytes: what it would take.
    """

    def __init__(self, message: str, *, needed_bytes: int) -> None:
        super().__init__(message)
        self.needed_bytes = needed_bytes


class AccessError(AssentError):
    """Nothing answers without a key, and each key opens what its roles say."""

    exit_code = 11


class NotAuthenticated(AccessError):
    """No such access key, a wrong secret, or revoked; which of these is not said."""


class Forbidden(AccessError):
    """The key's roles do not cover this."""


class ReviewError(AssentError):
    """Two people decide, each on their own."""

    exit_code = 12


class ReviewRequired(ReviewError):
    """The collection answers through two people's review only."""


class ReviewClosed(ReviewError):
    """Decided or lapsed already, or the person in question withdrew."""


class SameReviewer(ReviewError):
    """This person has judged the pair already; the second must be somebody else."""


class ObjectError(AssentError):
    """A picture cannot be had from its bucket."""

    exit_code = 13


class ObjectUnavailable(ObjectError):
    """No such bucket or object, or its server does not give it in time."""


class ObjectTooLarge(ObjectError):
    """Over the limit; no more than the limit was read."""


class AddressUnavailable(AssentError):
    """The server cannot listen there: the port is taken or not allowed, or the address is not this machine's."""

    exit_code = 14


class EndpointError(AssentError):
    """The service under audit refuses, throttles for too long, or does not answer.

    Attributes:
        code: the service's word for it, where it gave one.
    """

    exit_code = 15

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class LiveError(AssentError):
    """Live video cannot go on."""

    exit_code = 18


class PlaceNotReady(LiveError):
    """Nobody may be recognised at the place: no notice is posted there, or nobody agreed to it."""


class SourceUnavailable(LiveError):
    """A source gives no picture, and trying again would not help: a wrong address, a refused password, no video."""


class JobError(AssentError):
    """A job cannot give what was asked of it."""

    exit_code = 17


class JobNotReady(JobError):
    """It has not succeeded, yet or at all."""


class VideoError(AssentError):
    """The clip cannot be used."""

    exit_code = 16


class UnreadableVideo(VideoError):
    """Truncated, not a video, of a kind that is not read, or without a frame that can be decoded."""


class VideoTooLarge(VideoError):
    """Over the limit on pixels, bytes or length; raised before the work on it begins."""


class UndecodableFrame(VideoError):
    """A frame cannot be decoded, and whoever asked wants to stop there.

    Attributes:
        time_s: when it is shown, seconds after the clip's first frame.
    """

    def __init__(self, message: str, *, time_s: float) -> None:
        super().__init__(message)
        self.time_s = time_s
