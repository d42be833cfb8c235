from __future__ import annotations

import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assent.errors import ImageError, ImageTooLarge, UnreadableImage
from assent.vision.decode import decode_image
from tests.unit.vision.builders import encoded

RED = (230, 20, 30)


def flat(size: tuple[int, int] = (40, 30), colour: object = RED, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def quadrants() -> Image.Image:
    """40 x 32 with a different grey in each quarter, so that every turn can be told apart."""
    pixels = np.zeros((32, 40, 3), np.uint8)
    pixels[:16, :20], pixels[:16, 20:], pixels[16:, :20], pixels[16:, 20:] = 20, 90, 160, 230
    return Image.fromarray(pixels)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = png_chunk(b"IDAT", zlib.compress(b"\0" * 100_000, 9))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + rows + png_chunk(b"IEND", b"")


def webp_vp8x(width: int, height: int) -> bytes:
    body = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "empty file", id="empty"),
        pytest.param(b"\0", "cannot be decoded", id="zero"),
        pytest.param(b"not an image at all" * 50, "cannot be decoded", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be decoded", id="svg"),
        pytest.param(b"\xff\xd8\xff", "cannot be decoded", id="jpeg-marker"),
        pytest.param(encoded(flat(), "JPEG")[:300], "cannot be decoded", id="jpeg-cut"),
        pytest.param(
            encoded(Image.effect_noise((64, 64), 90), "JPEG")[:-900], "cannot be decoded", id="jpeg-noise-cut"
        ),
        pytest.param(
            encoded(Image.effect_noise((64, 64), 90), "PNG")[:-900], "cannot be decoded", id="png-cut"
        ),
        pytest.param(
            encoded(Image.effect_noise((64, 64), 90), "TIFF")[:-900], "cannot be decoded", id="tiff-cut"
        ),
        pytest.param(
            encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "WEBP")[:-900],
            "cannot be decoded",
            id="webp-cut",
        ),
        pytest.param(encoded(flat((1, 1)), "PNG"), "at least 16 x 16", id="one-pixel"),
        pytest.param(encoded(flat((4000, 3)), "PNG"), "at least 16 x 16", id="thin"),
        pytest.param(encoded(flat((64, 64)), "ICO"), "cannot be decoded", id="icon"),
    ],
)
def test_unreadable(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableImage, match=says) as caught:
        decode_image(data)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        png_bomb(60_000, 60_000),
        png_bomb(2**31 - 1, 2**31 - 1),
        png_bomb(20_000, 6_000),
        webp_vp8x(60_000, 60_000),
        webp_vp8x(16_383, 16_383),
        encoded(flat((1, 1)), "GIF").replace(b"\x01\x00\x01\x00", struct.pack("<HH", 60_000, 60_000)),
        encoded(flat((32, 32)), "BMP")[:18]
        + struct.pack("<ii", 60_000, 60_000)
        + encoded(flat(), "BMP")[26:],
        b"P6 60000 60000 255\n" + b"\0" * 100,
    ],
    ids=["png", "png-huge", "png-120M", "webp", "webp-268M", "gif", "bmp", "ppm"],
)
def test_a_bomb_is_refused_before_its_pixels_are_allocated(data: bytes) -> None:
    assert len(data) < 5_000
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge, match="pixels"):
            decode_image(data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_tiff_with_a_tile_larger_than_allowed_is_refused() -> None:
    tags = [
        (256, 32),
        (257, 32),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, 60_000),
        (323, 60_000),
        (324, 8),
        (325, 9),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 100
    with pytest.raises(ImageTooLarge, match="60000 x 60000"):
        decode_image(data)


@pytest.mark.parametrize(("limit", "fits"), [(1200, True), (1199, False)])
def test_the_pixel_limit_is_inclusive(limit: int, fits: bool) -> None:
    data = encoded(flat((40, 30)), "PNG")
    if fits:
        assert decode_image(data, max_pixels=limit).image_rgb.shape == (30, 40, 3)
    else:
        with pytest.raises(ImageTooLarge, match="1,199 pixels, this one declares 40 x 30"):
            decode_image(data, max_pixels=limit)


def test_the_byte_limit_is_inclusive() -> None:
    data = encoded(flat(), "PNG")
    assert decode_image(data, max_bytes=len(data)).format == "PNG"
    with pytest.raises(ImageTooLarge, match="bytes"):
        decode_image(data, max_bytes=len(data) - 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_every_accepted_format_by_content(kind: str) -> None:
    decoded = decode_image(encoded(flat(), kind))
    assert decoded.format == kind
    assert decoded.image_rgb.shape == (30, 40, 3)
    assert decoded.image_rgb.dtype == np.uint8
    assert decoded.image_rgb.flags.c_contiguous
    assert decoded.image_rgb.flags.writeable
    assert np.abs(decoded.image_rgb.astype(int) - RED).max() <= 6
    assert (decoded.width_px, decoded.height_px, decoded.num_frames) == (40, 30, 1)


@pytest.mark.parametrize(
    ("image", "kind", "wanted"),
    [
        (flat(colour=200, mode="L"), "JPEG", (200, 200, 200)),
        (flat(colour=(200, 0), mode="LA"), "PNG", (255, 255, 255)),
        (flat(colour=(*RED, 0), mode="RGBA"), "PNG", (255, 255, 255)),
        (flat(colour=(0, 0, 0, 128), mode="RGBA"), "PNG", (127, 127, 127)),
        (flat(colour=(*RED, 255), mode="RGBA"), "WEBP", RED),
        (flat().quantize(), "PNG", RED),
        (flat(colour=1, mode="1"), "PNG", (255, 255, 255)),
        (flat().convert("CMYK"), "JPEG", RED),
        (flat().convert("CMYK"), "TIFF", RED),
        (flat().convert("YCbCr"), "JPEG", RED),
        (flat().convert("LAB"), "TIFF", RED),
    ],
    ids=[
        "grey",
        "grey-clear",
        "clear",
        "half",
        "opaque",
        "palette",
        "bits",
        "cmyk-jpeg",
        "cmyk-tiff",
        "ycc",
        "lab",
    ],
)
def test_every_mode_becomes_rgb(image: Image.Image, kind: str, wanted: tuple[int, int, int]) -> None:
    got = decode_image(encoded(image, kind)).image_rgb[15, 20].astype(int)
    assert np.abs(got - wanted).max() <= 14, got


def test_palette_transparency_is_over_white() -> None:
    palette = flat().quantize()
    data = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    assert (decode_image(data).image_rgb == 255).all()


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        (np.linspace(0, 65535, 40).astype(np.uint16), "PNG", np.linspace(0, 255, 40)),
        (np.full(40, 300, np.uint16), "PNG", np.full(40, 1.2)),
        (np.linspace(0, 65535, 40).astype(np.uint16), "TIFF", np.linspace(0, 255, 40)),
        (np.linspace(-3, 5, 40).astype(np.float32), "TIFF", np.linspace(0, 255, 40)),
        (np.linspace(0, 2**30, 40).astype(np.int32), "TIFF", np.linspace(0, 255, 40)),
        (np.full(40, np.nan, np.float32), "TIFF", np.zeros(40)),
    ],
    ids=["png16", "png16-dark", "tiff16", "float", "int32", "nan"],
)
def test_deep_grey_is_scaled_not_clipped(values: np.ndarray, kind: str, wanted: np.ndarray) -> None:
    image = Image.fromarray(np.repeat(values[None], 30, axis=0))
    got = decode_image(encoded(image, kind)).image_rgb
    assert np.abs(got[10, :, 1].astype(float) - wanted).max() <= 1.0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(orientation: int, kind: str) -> None:
    upright = np.asarray(quadrants())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    assert decoded.image_rgb.shape == upright.shape
    assert np.abs(decoded.image_rgb[4::8, 4::8].astype(int) - upright[4::8, 4::8]).max() <= 8
    assert (decoded.width_px, decoded.height_px) == (stored.shape[1], stored.shape[0])
    assert any("upright" in note for note in decoded.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(quadrants(), "JPEG", exif=exif))
    assert decoded.image_rgb.shape == (32, 40, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_only_the_first_frame_of_an_animation(kind: str) -> None:
    data = encoded(
        flat(), kind, save_all=True, append_images=[flat(colour=(0, 0, 255)), flat(colour=(0, 255, 0))]
    )
    decoded = decode_image(data)
    assert decoded.num_frames == 3
    assert "first of 3 frames" in decoded.notes
    assert np.abs(decoded.image_rgb[15, 20].astype(int) - RED).max() <= 6


def test_a_large_jpeg_keeps_its_resolution() -> None:
    stripes = np.zeros((64, 3000, 3), np.uint8)
    stripes[:, ::2] = 255
    decoded = decode_image(encoded(Image.fromarray(stripes), "JPEG", quality=95))
    assert decoded.image_rgb.shape == (64, 3000, 3)
    assert decoded.image_rgb[32, 100:200].std() > 100


def test_threads_do_not_meet() -> None:
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (120, 120, 120)]
    wrong: list[int] = []

    def work(which: int) -> None:
        data = encoded(flat((200, 150), colours[which]), "PNG")
        same = [(decode_image(data).image_rgb == colours[which]).all() for _ in range(20)]
        wrong.extend([which] * (not all(same)))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


_SEEDS = [
    encoded(quadrants(), kind, **options)
    for kind, options in (
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("BMP", {}),
        ("PPM", {}),
    )
]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(_SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12),
    cut=st.none() | st.integers(0, 2000),
)
def test_damaged_bytes_decode_or_raise_an_image_error(
    seed: bytes, changes: list[tuple[int, int]], cut: int | None
) -> None:
    damaged = bytearray(seed)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        decoded = decode_image(bytes(damaged[:cut]), max_pixels=1_000_000)
    except ImageError:
        pass  # anything else would have failed the test
    else:
        assert decoded.image_rgb.ndim == 3
        assert decoded.image_rgb.dtype == np.uint8
