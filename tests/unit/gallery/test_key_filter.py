"""A filter may let a key pass that is not there, never the other way round."""

import numpy as np
import pytest

from assent.gallery.key_filter import KeyFilter, fingerprints


def hex_keys(count: int, seed: int) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(seed).bytes(18 * count).hex().encode(), "S36")


@pytest.mark.parametrize("count", [0, 1, 31, 33, 5000])
def test_every_key_that_is_there_passes(count: int) -> None:
    keys = hex_keys(count, 1)
    asked = KeyFilter(keys)
    assert asked.may_hold(fingerprints(keys)).all()
    assert all(asked.may_hold(fingerprints(keys[i : i + 1]))[0] for i in range(min(count, 50)))


@pytest.mark.parametrize(
    "others",
    [
        hex_keys(50_000, 2),
        np.array([f"{number}".encode() for number in range(50_000)], np.bytes_),
        np.array([f"a-long-common-beginning/of-all-keys/{number:08d}".encode() for number in range(50_000)]),
    ],
    ids=["random", "short", "alike"],
)
def test_few_others_pass(others: np.ndarray) -> None:
    known, unknown = others[::2], others[1::2]
    passed = KeyFilter(known).may_hold(fingerprints(unknown))
    assert 0 < passed.mean() < 0.03


def test_few_and_many_are_judged_alike() -> None:
    asked, prints = KeyFilter(hex_keys(1000, 3)), fingerprints(hex_keys(3000, 4))
    few = np.concatenate([asked.may_hold(prints[start : start + 10]) for start in range(0, 3000, 10)])
    assert np.array_equal(asked.may_hold(prints), few)


def test_a_key_has_one_fingerprint_in_arrays_of_any_width() -> None:
    keys = [b"", b"a", b"sixteen letters!", b"seventeen letters"]
    widths = [np.array(keys, f"S{width}") for width in (17, 24, 36, 100)]
    assert all(np.array_equal(fingerprints(widths[0]), fingerprints(other)) for other in widths[1:])
    assert len(set(fingerprints(widths[0]).tolist())) == len(keys)
    assert fingerprints(np.array([b"a"]))[0] == fingerprints(widths[3])[1]


def test_few_and_many_keys_have_the_same_fingerprints() -> None:
    keys = np.concatenate([hex_keys(100, 5), np.array([b"", b"x", b"eight by", b"nine byte"])])
    one_by_one = [fingerprints(keys[i : i + 1])[0] for i in range(len(keys))]
    assert np.array_equal(fingerprints(keys), one_by_one)
