"""Which face a picture is of, and when two are one picture."""

import cv2
import numpy as np

from assent.evaluation.pictures import chip_hash, first_of_duplicates, subject_face
from assent.types import UInt8
from tests.unit.evaluation.paper import make_face


def test_the_subject_is_large_and_in_the_middle():
    middle, corner, small = (
        make_face((80, 80, 170, 170)),
        make_face((0, 0, 100, 100)),
        make_face((115, 115, 135, 135)),
    )
    assert subject_face([corner, small, middle], 250, 250) is middle
    assert subject_face([corner, small], 250, 250) is small
    assert subject_face([], 250, 250) is None


def test_a_hash_survives_size_and_compression_but_not_another_face():
    rng = np.random.default_rng(1)

    def resized(image, side) -> UInt8:
        return np.asarray(cv2.resize(image, (side, side)), np.uint8)

    chip, other = (resized(rng.integers(0, 255, (12, 12, 3), np.uint8), 150) for _ in range(2))
    encoded = cv2.imencode(".jpg", resized(resized(chip, 90), 150), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    compressed = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    assert np.count_nonzero(chip_hash(chip) != chip_hash(compressed)) <= 20
    assert np.count_nonzero(chip_hash(chip) != chip_hash(other)) > 80


def test_of_pictures_that_are_there_twice_the_first_is_kept():
    rng = np.random.default_rng(3)
    one, other = (rng.random(256) < 0.5 for _ in range(2))
    nearly = one.copy()
    nearly[:28] = ~nearly[:28]
    too_far = one.copy()
    too_far[:29] = ~too_far[:29]
    people = ["ann", "ann", "ann", "bob", "ann", "ann"]
    kept = first_of_duplicates(people, [one, nearly, other, one, None, too_far])
    assert kept.tolist() == [True, False, True, True, True, False]  # the last is 1 bit from the second
    assert first_of_duplicates([], []).tolist() == []
