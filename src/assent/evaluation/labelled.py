"""Labelled pictures on disk: folders with a folder for each person, listings, and exclusions."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assent.errors import UsageError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"})


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A picture and whose it is.

    Attributes:
        image_id: names the picture in exclusions and top pairs: ``FOLDER/PERSON/FILE``, or the listing's ``id`` or
            ``image``.
        path: the file.
        subject: who, unique within the group.
        group: data set; people of different groups are never compared.
    """

    image_id: str
    path: Path
    subject: str
    group: str


def list_images(folders: Sequence[Path], listings: Sequence[Path] = ()) -> list[LabelledImage]:
    """All pictures of folders and listings, sorted, in that order.

    Raises:
        UsageError: a folder or listing is not there, has no picture, or two have the same name.
    """
    sources = [*folders, *listings]
    names = Counter(source.resolve().name for source in sources)
    twice = [name for name, number in names.items() if number > 1]
    if not sources or twice:
        raise UsageError(f"expected folders or listings of different names; got {twice or 'none'}.")
    images = [image for folder in folders for image in _in_folder(folder.resolve())]
    images += [image for listing in listings for image in _in_listing(listing.resolve())]
    return images


def without_exclusions(
    images: Sequence[LabelledImage], exclusions: Path | None
) -> tuple[list[LabelledImage], int]:
    """The pictures that are not excluded, and how many are.

    Raises:
        UsageError: the file is not there, malformed, or names a picture that is not there.
    """
    if exclusions is None:
        return list(images), 0
    excluded = {row["image"] for row in _read_csv(exclusions, ("image", "reason"))}
    unknown = excluded - {image.image_id for image in images}
    if unknown:
        raise UsageError(
            f"{exclusions.name} excludes {len(unknown)} pictures that are not there, such as "
            f"{min(unknown)!r}; give the image ids of these data."
        )
    return [image for image in images if image.image_id not in excluded], len(excluded)


def _in_folder(folder: Path) -> list[LabelledImage]:
    if not folder.is_dir():
        raise UsageError(f"expected a folder with a folder for each person; there is none at {folder}.")
    images = [
        LabelledImage(f"{folder.name}/{path.parent.name}/{path.name}", path, path.parent.name, folder.name)
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not images:
        raise UsageError(
            f"expected a folder for each person with pictures in it; {folder} has none. Accepted endings: "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return images


def _in_listing(listing: Path) -> Iterator[LabelledImage]:
    for row in _read_csv(listing, ("image", "subject")):
        path = listing.parent / row["image"]
        if not path.is_file():
            raise UsageError(f"{listing.name} lists {row['image']!r}, which is not there.")
        yield LabelledImage(
            row.get("id") or row["image"], path, row["subject"], row.get("group") or listing.name
        )


def _read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """All rows, the named columns present and not empty in each."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"expected a CSV file in UTF-8 at {path}; {type(error).__name__}.") from error
    for number, row in enumerate(rows, start=2):
        if any(not row.get(column) for column in columns):
            raise UsageError(f"{path.name}, line {number}: expected the columns {', '.join(columns)}.")
    return rows
