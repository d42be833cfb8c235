"""Sealing: what goes in comes out, only with the right key and in the right place."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import StoreUnavailable
from assent.store.crypto import (
    CollectionKey,
    PersonKey,
    Vault,
    image_mac,
    key_fingerprint,
    new_key,
)
from tests.unit.store.builders import unit_vector

STORE, COLLECTION, PERSON, TEMPLATE = "store-id", "collection-id", "person-id", "template-id"
KEY = bytes(range(32))


def person_key(place: str = f"{STORE}|{COLLECTION}|{PERSON}", key: bytes = KEY) -> PersonKey:
    return PersonKey(place, key)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 16, 128, 512]))
def test_a_template_comes_back_bit_for_bit(seed: int, dim: int) -> None:
    vector = unit_vector(seed, dim)
    sealed = person_key().seal_template(TEMPLATE, vector)
    opened = person_key().open_template(TEMPLATE, sealed)
    assert opened.dtype == np.float32
    np.testing.assert_array_equal(opened, vector)
    assert len(sealed) == 12 + 4 * dim + 16


def test_the_format_is_aes_256_gcm_with_the_place_as_associated_data() -> None:
    """Written out with the library alone, so that the format cannot change unnoticed."""
    nonce, vector = bytes(12), np.array([1.0, -0.5], "<f4")
    aad = b"assent/1|template|store-id|collection-id|person-id|template-id"
    sealed = nonce + AESGCM(KEY).encrypt(nonce, b"\x00\x00\x80\x3f\x00\x00\x00\xbf", aad)
    np.testing.assert_array_equal(person_key().open_template(TEMPLATE, sealed), vector)


def test_sealing_twice_gives_two_ciphertexts() -> None:
    vector = unit_vector(1)
    assert len({person_key().seal_template(TEMPLATE, vector) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "place",
    ["other|collection-id|person-id", "store-id|other|person-id", "store-id|collection-id|other"],
)
def test_another_place_does_not_open(place: str) -> None:
    sealed = person_key().seal_template(TEMPLATE, unit_vector(1))
    with pytest.raises(StoreUnavailable, match="altered, moved to another row, or damaged"):
        person_key(place).open_template(TEMPLATE, sealed)


def test_another_template_key_or_purpose_does_not_open() -> None:
    sealed = person_key().seal_template("1", unit_vector(1))
    for attempt in (
        lambda: person_key().open_template("2", sealed),
        lambda: person_key(key=new_key()).open_template("1", sealed),
        lambda: person_key().open_user_vector(1, sealed),
    ):
        with pytest.raises(StoreUnavailable):
            attempt()


@given(st.data())
def test_any_changed_or_missing_byte_is_found(data: st.DataObject) -> None:
    sealed = bytearray(person_key().seal_template(TEMPLATE, unit_vector(1)))
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = (
        bytes(sealed[:at]) + bytes([sealed[at] ^ data.draw(st.integers(1, 255))]) + bytes(sealed[at + 1 :])
    )
    for broken in (changed, bytes(sealed[:at])):
        with pytest.raises(StoreUnavailable):
            person_key().open_template(TEMPLATE, broken)


def test_keys_unwrap_layer_by_layer() -> None:
    vault, key = Vault(STORE, new_key()), new_key()
    collection = vault.collection_key(COLLECTION, vault.wrap_collection_key(COLLECTION, key))
    fresh = collection.new_person_key(PERSON)
    again = CollectionKey(STORE, COLLECTION, key).person_key(PERSON, fresh.wrapped)
    assert again.fingerprint == fresh.key.fingerprint
    sealed = fresh.key.seal_user_vector(3, unit_vector(1))
    np.testing.assert_array_equal(again.open_user_vector(3, sealed), unit_vector(1))
    with pytest.raises(StoreUnavailable):
        again.open_user_vector(2, sealed)
    with pytest.raises(StoreUnavailable):
        collection.person_key("another", fresh.wrapped)
    mac_key = new_key()
    assert collection.unwrap_mac_key(collection.wrap_mac_key(mac_key)) == mac_key


def test_a_check_value_tells_its_own_key() -> None:
    vault = Vault(STORE, new_key())
    assert vault.matches(vault.check_value())
    assert not Vault(STORE, new_key()).matches(vault.check_value())
    assert not Vault("another", vault.master_key).matches(vault.check_value())
    assert not vault.matches(b"")


def test_no_key_is_printed() -> None:
    key = new_key()
    for value in (Vault(STORE, key), person_key(key=key), CollectionKey(STORE, COLLECTION, key)):
        assert key.hex() not in repr(value)
        assert repr(key) not in repr(value)
    assert key_fingerprint(key) not in key.hex()


def test_image_macs_differ_by_key_and_by_image() -> None:
    macs = {image_mac(key, image) for key in (b"a" * 32, b"b" * 32) for image in (b"x" * 32, b"y" * 32)}
    assert len(macs) == 4
    assert image_mac(b"a" * 32, b"x" * 32) in macs
