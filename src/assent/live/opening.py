"""Opening a source with FFmpeg, and what its errors mean."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import av
import av.container
import av.error

from assent.errors import SourceUnavailable
from assent.live.values import Transport

# What each kind of address may lead to: a list of addresses inside a stream must not open files or other hosts' doors.
_PROTOCOLS: Final = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls,crypto",
    "http": "http,tcp",
    "https": "https,tls,tcp,crypto",
    "tcp": "tcp",
    "udp": "udp",
    "rtp": "rtp,udp",
    "file": "file",
}
_NO_USE: Final = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.HTTPBadRequestError,
    av.error.ProtocolNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.DecoderNotFoundError,
    av.error.InvalidDataError,
    av.error.FileNotFoundError,
    av.error.PermissionError,
)
# What a device driver says of a file that is none, or of a camera's second device, which gives no pictures.
_NO_CAMERA: Final = (errno.ENOTTY, errno.ENODEV)


@dataclass(frozen=True, slots=True)
class Address:
    """A source, taken apart.

    Attributes:
        source: as given, with its password.
        kind: ``rtsp``, ``http``, ``device``, ``file`` ...
        transport: how RTSP brings its packets.
    """

    source: str
    kind: str
    transport: Transport = "tcp"

    @classmethod
    def of(cls, source: str, transport: Transport = "tcp") -> Address:
        """What an address, device or file name means.

        Raises:
            SourceUnavailable: an address of a kind that is not read.
        """
        if "://" in source:
            kind = urlsplit(source).scheme.lower()
            if kind not in _PROTOCOLS:
                raise SourceUnavailable(
                    f"expected a source of {', '.join(_PROTOCOLS)}, a device or a file, got {kind}://; "
                    "give another address"
                )
            return cls(source, kind, transport)
        if source.startswith(("/dev/video", "/dev/v4l/")):
            return cls(source, "device", transport)
        return cls(source, "file", transport)

    @property
    def is_file(self) -> bool:
        """Whether it is played from a file, at the speed it was taken."""
        return self.kind == "file"

    def open(self, *, open_s: float, read_s: float) -> av.container.InputContainer:
        """The open container.

        Args:
            open_s: longest wait for it to open.
            read_s: longest wait for a packet.

        Raises:
            SourceUnavailable: with the reason, where trying again would not help.
            av.error.FFmpegError, OSError: where it might.
        """
        try:
            if self.kind == "device":
                return av.open(self.source, format="v4l2", timeout=(open_s, read_s))
            return av.open(self._name(), options=self._options(read_s), timeout=(open_s, read_s))
        except _NO_USE as error:
            raise SourceUnavailable(reason_of(error)) from error
        except OSError as error:
            if error.errno in _NO_CAMERA:
                raise SourceUnavailable(reason_of(error)) from error
            raise

    def _name(self) -> str:
        if not self.is_file:
            return self.source
        path = Path(self.source.removeprefix("file://"))
        if not path.is_file():
            raise SourceUnavailable(
                "there is no such file; give an address, a device or a file that is there"
            )
        return f"file:{os.path.abspath(path)}"  # noqa: PTH100 - resolve() would follow links

    def _options(self, read_s: float) -> dict[str, str]:
        options = {"protocol_whitelist": _PROTOCOLS[self.kind]}
        if self.kind in ("rtsp", "rtsps"):
            options |= {"rtsp_transport": self.transport, "timeout": str(int(read_s * 1e6))}
        if not self.is_file:
            # Not "nobuffer": it would throw away the key frame that was read to learn the format.
            options |= {"rw_timeout": str(int(read_s * 1e6))}
        return options


def reason_of(error: BaseException) -> str:
    """What went wrong with a source, for people; never its address, which may hold a password."""
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    if isinstance(error, OSError) and error.errno in _NO_CAMERA:
        return "it is no camera that gives pictures; list those there are (v4l2-ctl --list-devices)"
    if isinstance(error, OSError) and error.errno == errno.EBUSY:
        return "another program uses it; end that one"
    return f"it cannot be read ({type(error).__name__}); check that it is there and sends video"


_REASONS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        "it refuses the user or password; give the right ones (assent place camera)",
    ),
    (
        (av.error.HTTPNotFoundError, av.error.HTTPBadRequestError),
        "nothing is at this address; check its path",
    ),
    (
        (av.error.InvalidDataError,),
        "what it sends is no video that can be read; check the address and its codec",
    ),
    (
        (av.error.ProtocolNotFoundError, av.error.DemuxerNotFoundError, av.error.DecoderNotFoundError),
        "it is of a kind that is not read here; use H.264 over RTSP, say",
    ),
    (
        (av.error.FileNotFoundError, FileNotFoundError),
        "there is no such device or file; plug it in, or check its name",
    ),
    ((av.error.PermissionError, PermissionError), "this user may not read it; grant it the right"),
    (
        (av.error.ConnectionRefusedError, ConnectionRefusedError),
        "nobody answers at its address; is it switched on?",
    ),
    (
        (av.error.TimeoutError, TimeoutError, av.error.ExitError),
        "it gave no picture in time; is it switched on?",
    ),
    ((av.error.EOFError, EOFError), "it ended the stream"),
)
