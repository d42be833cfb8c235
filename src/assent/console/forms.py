"""Forms as they come from a browser, read into memory: no picture touches a disk, none is larger than agreed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from assent.errors import UsageError

MAX_TEXT_BYTES = 2 * 2**20
"""Largest field that is not a file: a notice of 1 MiB, in base64."""
MAX_FIELDS = 100
MAX_FILES = 50
_DISCARDED_BYTES = 2**30


class FormTooLarge(Exception):
    """More bytes than this form may have.

    Attributes:
        max_bytes: what is accepted.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the form has more than {max_bytes:,} bytes")
        self.max_bytes = max_bytes


class FormMalformed(Exception):
    """Not what a browser sends."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a form.

    Attributes:
        filename: as the browser calls it; for people to read, never a path here.
        data: its bytes.
    """

    filename: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The fields and files of one submitted form.

    Attributes:
        fields: (name, value) in their order.
        uploads: (name, file) in their order; a file field that was left empty is absent.
    """

    fields: tuple[tuple[str, str], ...] = ()
    uploads: tuple[tuple[str, Upload], ...] = ()

    def text(self, name: str) -> str:
        """A field's first value without surrounding white space; empty where it is absent."""
        return self.exact(name).strip()

    def exact(self, name: str) -> str:
        """A field's first value as it came; empty where it is absent."""
        return next((value for key, value in self.fields if key == name), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a field, as of several boxes that are ticked."""
        return tuple(value for key, value in self.fields if key == name)

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return any(key == name and value for key, value in self.fields)

    def number(self, name: str) -> float | None:
        """A field's value as a number; None where it is empty.

        Raises:
            UsageError: it is something else.
        """
        text = self.text(name)
        try:
            return float(text) if text else None
        except ValueError as error:
            raise UsageError(f"{name.replace('_', ' ')} must be a number, got something else") from error

    def files(self, name: str) -> tuple[Upload, ...]:
        """All files of a field."""
        return tuple(upload for key, upload in self.uploads if key == name)

    def file(self, name: str) -> Upload | None:
        """A field's first file."""
        return next(iter(self.files(name)), None)


class _InMemoryParser(MultiPartParser):
    spool_max_size = 0  # never rolled over into a file


async def read_form(request: Request, *, max_bytes: int) -> Form:
    """The form of a request.

    Args:
        request: its body not read yet.
        max_bytes: largest body.

    Raises:
        FormTooLarge: the body is larger; it was read to its end and dropped, so that the browser shows the answer.
        FormMalformed: another content type, or not what a browser sends.
    """
    content_type = request.headers.get("content-type", "").lower()
    if "charset" in content_type and "utf-8" not in content_type:
        raise FormMalformed(
            "expected a form in UTF-8, got another encoding"
        )  # the parser would take any of Python's
    kind = content_type.partition(";")[0].strip()
    stream = _limited(request, max_bytes)
    try:
        if kind == "multipart/form-data":
            parser = _InMemoryParser(
                request.headers,
                stream,
                max_files=MAX_FILES,
                max_fields=MAX_FIELDS,
                max_part_size=MAX_TEXT_BYTES,
            )
            return await _collected(await parser.parse())
        if kind == "application/x-www-form-urlencoded":
            return await _collected(await FormParser(request.headers, stream).parse())
    except MultiPartException as error:
        raise FormMalformed(error.message) from error
    raise FormMalformed("expected a form as a browser sends it, got another content type")


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes <= max_bytes:
            yield chunk
        elif num_bytes > _DISCARDED_BYTES:
            break
    if num_bytes > max_bytes:
        raise FormTooLarge(max_bytes)


async def _collected(data: FormData) -> Form:
    fields: list[tuple[str, str]] = []
    uploads: list[tuple[str, Upload]] = []
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            if value.filename or content:
                uploads.append((name, Upload(value.filename or "", content)))
        else:
            fields.append((name, value))
    await data.close()
    return Form(tuple(fields), tuple(uploads))
