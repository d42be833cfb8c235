"""The demonstration's photographs: by name and hash from the package index, never committed.

They are test images of two Python packages: portraits inside ``face_recognition`` (one man five times, another
once) and scikit-image's ``astronaut`` (NASA, public domain).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assent.models.download import Progress, has_hash
from assent.models.fetch import PackageFile, fetch_package_file, unpack_member
from assent.models.files import exclusive


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph in an archive.

    Attributes:
        name: what it is called here.
        member: its path in the archive.
        sha256: of the file.
    """

    name: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """An archive of the package index and the photographs taken out of it."""

    archive: PackageFile
    photos: tuple[Photo, ...]


def _portrait(name: str, sha256: str) -> Photo:
    return Photo(name, f"face_recognition-1.3.0/tests/test_images/{name}", sha256)


SOURCES = (
    Source(
        PackageFile(
            project="face_recognition",
            version="1.3.0",
            filename="face_recognition-1.3.0.tar.gz",
            sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
            size_bytes=3_182_249,
        ),
        (
            _portrait("obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"),
            _portrait("obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"),
            _portrait("obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"),
            _portrait(
                "obama_partial_face.jpg", "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117"
            ),
            _portrait(
                "obama_partial_face2.jpg", "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028"
            ),
            _portrait("biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"),
        ),
    ),
    Source(
        # The smallest archive of this release that holds the picture; nothing of it is installed.
        PackageFile(
            project="scikit-image",
            version="0.25.2",
            filename="scikit_image-0.25.2-cp311-cp311-win_amd64.whl",
            sha256="b4f6b61fc2db6340696afe3db6b26e0356911529f5f6aee8c322aa5157490c9b",
            size_bytes=12_791_698,
        ),
        (
            Photo(
                "astronaut.png",
                "skimage/data/astronaut.png",
                "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
            ),
        ),
    ),
)


def fetch_photos(folder: Path, *, progress: Progress | None = None) -> Path:
    """Get the photographs into a folder; asks nobody when all are there.

    Args:
        folder: made if need be.
        progress: told of every byte.

    Returns:
        ``folder``.

    Raises:
        DownloadFailed: the package index does not give an archive.
        ModelCorrupt: an archive or a photograph is not the expected one.
    """
    if all(_is_there(folder, photo) for source in SOURCES for photo in source.photos):
        return folder
    # One process gets them, and others wait for it: the archives go once their photographs are out.
    with exclusive(folder):
        for source in SOURCES:
            missing = [photo for photo in source.photos if not _is_there(folder, photo)]
            if not missing:
                continue
            archive = fetch_package_file(source.archive, folder / "downloads", progress=progress)
            for photo in missing:
                unpack_member(archive, photo.member, folder / photo.name, photo.sha256)
            archive.unlink(missing_ok=True)
    return folder


def _is_there(folder: Path, photo: Photo) -> bool:
    return has_hash(folder / photo.name, photo.sha256)
