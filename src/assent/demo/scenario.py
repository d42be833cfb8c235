"""The demonstration: two people agree, are found among others, one withdraws and is gone."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from assent.config import Settings
from assent.errors import AlreadyExists
from assent.service import Assent
from assent.service.pictures import encode_png
from assent.service.results import Enrolment, SearchResult
from assent.store.values import ReceiptRecord

PURPOSE = "demo-photos"
COLLECTION = "demo"
MARKER = "assent-demo.txt"
NOTICE = """\
DEMONSTRATION NOTICE. For a real one ask somebody who knows the law where you are.

We keep a template of your face, made from the photos you give us, to find you in photographs of this demonstration
and for nothing else. We keep it until the date below or until you say no, whichever comes first; a no takes effect
at once. Nobody else receives it.
"""

ENROLLED = {
    "sitter-1": ("Sitter", ("obama.jpg", "obama2.jpg")),
    "sitter-2": ("Astronaut", ("astronaut.png",)),
}
SEARCHED = ("obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg", "biden.jpg", "group.jpg")


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the demonstration did, for the command to show.

    Attributes:
        enrolments: one for each enrolled photo.
        searches: photo and answer while both consents are live.
        pictures: the annotated copies, in the same order.
        overview: all of them in one picture.
        receipt: of the withdrawal.
        searches_after: the same searches after it.
        withdrawn: the person who withdrew.
    """

    enrolments: tuple[Enrolment, ...]
    searches: tuple[tuple[Path, SearchResult], ...]
    pictures: tuple[Path, ...]
    overview: Path
    receipt: ReceiptRecord
    searches_after: tuple[tuple[Path, SearchResult], ...]
    withdrawn: str


def play(
    settings: Settings, photos: Path, out: Path, *, step: Callable[[str], None] = lambda _: None
) -> Scene:
    """Run the demonstration in a fresh data folder under ``out``.

    Args:
        settings: where the models are; its data folder is not touched.
        photos: from ``fetch_photos``.
        out: for pictures and the demonstration's own data; what an earlier run left there is replaced.
        step: told what is being done.

    Raises:
        AlreadyExists: ``out`` holds something that is not an earlier demonstration.
        ModelMissing: the models were not pulled.
    """
    own = _fresh(settings, out)
    group = photos / "group.jpg"
    group.write_bytes(_group_picture(photos))
    with Assent(settings=own) as assent:
        step("recording two consents")
        consents = {ref: _agree(assent, ref, name) for ref, (name, _) in ENROLLED.items()}
        assent.collections.create(COLLECTION, purpose=PURPOSE)
        enrolments = []
        for ref, (_, names) in ENROLLED.items():
            for name in names:
                step(f"enrolling {name}")
                enrolments.append(assent.enrol(photos / name, person=ref, collection=COLLECTION))
        searches = _search_all(assent, photos, step)
        pictures = tuple(_save(assent, photo, result, out) for photo, result in searches)
        step("withdrawing one consent")
        withdrawn = "sitter-1"
        receipt = assent.consents.withdraw(consents[withdrawn], reason="demonstration")
        searches_after = _search_all(assent, photos, step)
    overview = out / "overview.png"
    overview.write_bytes(
        encode_png(_side_by_side([np.asarray(Image.open(p).convert("RGB")) for p in pictures], 420))
    )
    return Scene(tuple(enrolments), searches, pictures, overview, receipt, searches_after, withdrawn)


def _fresh(settings: Settings, out: Path) -> Settings:
    marker = out / MARKER
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise AlreadyExists(f"{out} holds something else than an earlier demonstration; choose another --out")
    for name in ("data", "data.keys"):
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    marker.write_text("Made by `assent demo`; it may be deleted.\n")
    return settings.model_copy(
        update={
            "data_dir": out / "data",
            "models_dir": settings.models_path,
            "key_file": out / "data.keys" / "master.key",
            "database_url": None,
        }
    )


def _agree(assent: Assent, ref: str, name: str) -> str:
    assent.people.add(ref, name=name)
    consent = assent.consents.record(
        ref,
        purpose=PURPOSE,
        controller="Assent demonstration",
        notice_text=NOTICE,
        notice_version="demo-1",
        language="en",
        method="electronic-signature",
        evidence=f"staged for the demonstration: {ref}".encode(),
        term=timedelta(days=1),
    )
    return consent.id


def _search_all(
    assent: Assent, photos: Path, step: Callable[[str], None]
) -> tuple[tuple[Path, SearchResult], ...]:
    answers = []
    for name in SEARCHED:
        step(f"searching {name}")
        # Thorough, since everybody else is to be hidden in the picture.
        result = assent.search(photos / name, collection=COLLECTION, purpose=PURPOSE, thorough=True)
        answers.append((photos / name, result))
    return tuple(answers)


def _save(assent: Assent, photo: Path, result: SearchResult, out: Path) -> Path:
    path = out / f"{photo.stem}.png"
    path.write_bytes(encode_png(assent.annotate(photo, result).image_rgb))
    return path


def _group_picture(photos: Path) -> bytes:
    """Three people in one photograph, two of whom agreed: portraits side by side, smaller and compressed anew."""
    names = ("obama3.jpg", "biden.jpg", "astronaut.png")
    pixels = [np.asarray(Image.open(photos / name).convert("RGB")) for name in names]
    buffer = io.BytesIO()
    Image.fromarray(_side_by_side(pixels, 640)).save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


def _side_by_side(
    pictures: list[np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]], height_px: int
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    scaled = [
        np.asarray(
            Image.fromarray(p).resize(
                (max(1, round(p.shape[1] * height_px / p.shape[0])), height_px), Image.Resampling.LANCZOS
            )
        )
        for p in pictures
    ]
    return np.concatenate(scaled, axis=1)
