"""Small clips and servers of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from assent.types import UInt8


def write_clip(path: Path, images_rgb: Sequence[UInt8], *, fps: int = 25, codec: str = "libx264") -> Path:
    """Encode frames of one size, every tenth a key frame, without frames that refer to later ones."""
    height, width = images_rgb[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = 10
        stream.codec_context.max_b_frames = 0
        if codec == "libx264":
            stream.options = {"preset": "veryfast", "crf": "18"}
        for image in images_rgb:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def repeat_clip(path: Path, clip: Path, times: int) -> Path:
    """Write a clip so many times one after the other, nothing encoded anew."""
    with av.open(str(path), "w") as target:
        stream = None
        offset = 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                [video] = source.streams.video
                stream = stream or target.add_stream_from_template(video)
                ends = offset
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None or packet.duration is None:
                        continue
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    ends = max(ends, packet.pts + packet.duration)
                    packet.stream = stream
                    target.mux(packet)
                offset = ends
    return path


def moving(num_frames: int, *, width: int = 160, height: int = 120) -> list[UInt8]:
    """A bright square that moves; no face."""
    frames = []
    for i in range(num_frames):
        image = np.full((height, width, 3), 60, np.uint8)
        image[:, :, 1] += np.linspace(0, 80, width).astype(np.uint8)
        left = (4 * i) % (width - 20)
        cv2.rectangle(image, (left, 40), (left + 20, 60), (230, 200, 40), -1)
        frames.append(image)
    return frames


def portrait_frames(
    photo: Path, num_frames: int, *, width: int = 640, height: int = 360, face_px: int = 220
) -> list[UInt8]:
    """A portrait that sways before a plain wall, with a little noise."""
    image = cv2.imread(str(photo))
    assert image is not None
    ratio = face_px / image.shape[0]
    person = np.asarray(cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8)
    rng = np.random.default_rng(5)
    frames = []
    for i in range(num_frames):
        frame = np.full((height, width, 3), (150, 160, 170), np.uint8)
        left = int(width / 2 - person.shape[1] / 2 + 12 * np.sin(i / 8))
        frame[60 : 60 + person.shape[0], left : left + person.shape[1]] = person
        noise = rng.integers(-3, 4, frame.shape)
        frames.append(np.clip(frame.astype(int) + noise, 0, 255).astype(np.uint8)[..., ::-1].copy())
    return frames


@contextmanager
def http_server(answer: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """Calls ``answer`` with each connection, after its request was read, and the number of it; yields the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            opened.append(connection)
            threading.Thread(target=one, args=(connection, number), daemon=True).start()
            number += 1

    def one(connection: socket.socket, number: int) -> None:
        try:
            connection.recv(65536)
            answer(connection, number)
        except OSError:
            pass

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield f"http://user:hush@127.0.0.1:{listening.getsockname()[1]}/live.ts"
    finally:
        listening.shutdown(socket.SHUT_RDWR)  # to close it would not wake who waits in it
        listening.close()
        serving.join()  # whoever was accepted just now is in ``opened`` then
        for connection in opened:
            connection.close()


HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"
