"""A video in a form: each piece of it is sealed onto the disk as it comes, and it is never whole in memory.

The form's other fields come first. The token among them is looked at before a byte of the video is taken.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from assent.console.forms import MAX_FIELDS, Form, FormMalformed, FormTooLarge, read_form
from assent.errors import AssentError, UsageError
from assent.service.videolibrary import VideoUpload
from assent.service.watching import check_num_bytes

_FIELDS_BYTES: Final = 2**20
_FIELD_BYTES: Final = 2**14
_DISCARDED_BYTES: Final = 2**30
_NONE: Final = "choose a video first; the file was empty or none"


class NoFormToken(Exception):
    """The form's token is missing, another session's, or comes after the video."""


@dataclass(frozen=True, slots=True)
class ReceivedVideo:
    """What a form brought.

    Attributes:
        form: its fields, with the video's file name as ``filename``.
        upload: the video, to be finished or discarded; None where none came, or it was refused.
        error: why it was refused.
    """

    form: Form
    upload: VideoUpload | None = None
    error: AssentError | None = None


async def receive_video(
    request: Request,
    *,
    begin: Callable[[], VideoUpload],
    is_token: Callable[[str], bool],
    max_bytes: int,
) -> ReceivedVideo:
    """Read a form with a video.

    Args:
        request: its body not read yet.
        begin: begins to take in a video; what it raises is the answer's ``error``.
        is_token: whether a form's token is this session's.
        max_bytes: largest video.

    Raises:
        NoFormToken: nothing of the video was taken.
        FormMalformed: not what a browser sends.
        ClientDisconnect: the browser went away, or sent too slowly.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _without_video(request, is_token)
    stream = request.stream()
    upload: VideoUpload | None = None
    try:
        try:
            _check_length(request, max_bytes)
            upload = await run_in_threadpool(begin)
        except AssentError as error:
            await _discard(stream)
            return ReceivedVideo(Form(), error=error)
        parser = _SealingParser(request, stream, upload, is_token)
        try:
            await parser.parse()
        except AssentError as error:
            await _discard(stream)
            await run_in_threadpool(upload.discard)
            return ReceivedVideo(parser.form(), error=error)
        if not is_token(parser.form().text("form_token")):
            raise NoFormToken
    except MultiPartException as error:
        await _drop(upload)
        raise FormMalformed(error.message) from error
    except NoFormToken:
        await _discard(stream)
        await _drop(upload)
        raise
    except BaseException:
        await _drop(upload)
        raise
    if not upload.num_bytes:
        await run_in_threadpool(upload.discard)
        return ReceivedVideo(
            parser.form(), error=UsageError("choose a video first; the file was empty or none")
        )
    return ReceivedVideo(parser.form(), upload)


async def _without_video(request: Request, is_token: Callable[[str], bool]) -> ReceivedVideo:
    try:
        form = await read_form(request, max_bytes=_FIELDS_BYTES)
    except FormTooLarge as error:
        raise FormMalformed("expected a form with a file, got something large") from error
    if not is_token(form.text("form_token")):
        raise NoFormToken
    return ReceivedVideo(form, error=UsageError(_NONE))


async def _drop(upload: VideoUpload | None) -> None:
    if upload is not None:
        await run_in_threadpool(upload.discard)


def _check_length(request: Request, max_bytes: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit():
        check_num_bytes(int(declared) - _FIELDS_BYTES, max_bytes)


async def _discard(stream: AsyncGenerator[bytes, None]) -> None:
    """Read on and throw away, in reason: who is still sending does not read the answer."""
    num_bytes = 0
    with suppress(ClientDisconnect):
        async for chunk in stream:
            num_bytes += len(chunk)
            if num_bytes > _DISCARDED_BYTES:
                return


class _Sealing:
    """What the parser takes for a file."""

    def __init__(self, upload: VideoUpload) -> None:
        self.write = upload.write

    def seek(self, _: int) -> int:
        return 0

    def close(self) -> None:
        pass


class _SealingParser(MultiPartParser):
    """Starlette's parser, with the sealed file in place of a temporary one."""

    spool_max_size = 0

    def __init__(
        self,
        request: Request,
        stream: AsyncGenerator[bytes, None],
        upload: VideoUpload,
        is_token: Callable[[str], bool],
    ) -> None:
        super().__init__(
            request.headers, stream, max_files=1, max_fields=MAX_FIELDS, max_part_size=_FIELD_BYTES
        )
        self._upload = upload
        self._is_token = is_token

    def on_headers_finished(self) -> None:
        """A field or the file begins."""
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            if not self._is_token(self.form().text("form_token")):
                raise NoFormToken
            part.file.file.close()
            part.file = UploadFile(cast(BinaryIO, _Sealing(self._upload)), filename=part.file.filename)

    def form(self) -> Form:
        """The fields that have come."""
        fields = [(name, value) for name, value in self.items if isinstance(value, str)]
        names = [value.filename or "" for _, value in self.items if isinstance(value, UploadFile)]
        return Form((*fields, *(("filename", name) for name in names)))
