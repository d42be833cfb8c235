from __future__ import annotations

import inspect
from typing import Any

import pytest

from assent import errors
from assent.rest.errors import OWN_ERRORS, STATUSES, documented, of_assent_error, status_of
from assent.types import QualityReason
from tests.unit.rest.builders import NOBODY, Api, assert_error

JSON = {"content-type": "application/json"}
KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.AssentError) and kind is not errors.AssentError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_its_own_family(kind: type[errors.AssentError]) -> None:
    status = status_of(kind)
    assert status in {401, 403, 404, 409, 413, 422, 429, 503}
    assert kind.__name__ in documented(status)[status]["description"]


def test_the_table_has_no_error_that_is_not() -> None:
    assert set(STATUSES) <= {errors.AssentError, *KINDS}
    assert not {kind.__name__ for kind in KINDS} & set(OWN_ERRORS)


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (errors.NoLiveConsent("none"), {}),
        (
            errors.PoorQuality("poor", reasons=(QualityReason.SMALL, QualityReason.DARK)),
            {"reasons": ["small", "dark"]},
        ),
        (errors.SeveralFaces("two", num_faces=2), {"num_faces": 2}),
        (errors.FaceMismatch("unlike", similarity=12.5), {"similarity": 12.5}),
        (errors.GalleryBeyondEvidence("many", gallery_size=9, n_max=4), {"gallery_size": 9, "n_max": 4}),
        (errors.LogTampered("altered", seq=3), {"seq": 3}),
        (errors.LogTampered("altered"), {}),
    ],
)
def test_numbers_of_an_error_travel_with_it(error: errors.AssentError, members: dict[str, Any]) -> None:
    import json

    body = json.loads(bytes(of_assent_error(error).body))
    assert body == {"error": type(error).__name__, "message": error.message, **members}


@pytest.mark.parametrize(
    ("method", "path", "status", "name", "options"),
    [
        ("GET", "/people", 401, "NotAuthenticated", {"by": None}),
        ("GET", "/nowhere", 404, "NoSuchPath", {}),
        ("GET", "/", 404, "NoSuchPath", {}),
        ("GET", "/people/", 404, "NoSuchPath", {}),
        ("PUT", "/people", 405, "MethodNotAllowed", {}),
        ("GET", "/people/nobody", 404, "NotFound", {}),
        ("GET", f"/consents/{NOBODY}", 404, "NotFound", {}),
        ("GET", "/consents/17", 422, "InvalidRequest", {}),
        ("GET", "/people?limit=0", 422, "InvalidRequest", {}),
        ("GET", "/people?cursor=aaaa", 422, "UsageError", {}),
        ("POST", "/people", 422, "InvalidRequest", {}),
        ("POST", "/people", 422, "InvalidRequest", {"json": {}}),
        ("POST", "/people", 422, "InvalidRequest", {"json": ["ana"]}),
        ("POST", "/people", 422, "InvalidRequest", {"json": {"ref": "a b"}}),
        ("POST", "/people", 422, "InvalidRequest", {"json": {"ref": "ana\n"}}),
        ("POST", "/people", 422, "InvalidRequest", {"json": {"ref": "ana", "race": "x"}}),
        (
            "POST",
            "/people",
            422,
            "InvalidRequest",
            {"content": b"{", "headers": JSON},
        ),
        (
            "POST",
            "/people",
            400,
            "MalformedBody",
            {"content": b"\xff", "headers": JSON},
        ),
        (
            "POST",
            "/people",
            400,
            "MalformedBody",
            {"content": b"[" * 100_000, "headers": JSON},
        ),
        (
            "POST",
            "/people",
            422,
            "InvalidRequest",
            {"content": b'{"ref": "\\ud800"}', "headers": JSON},
        ),
        ("POST", "/people", 422, "InvalidRequest", {"content": b'{"ref": "ana"}'}),
        ("POST", "/detect", 422, "InvalidRequest", {"json": {"image": "aaaa"}}),
        ("POST", "/detect", 422, "UnreadableImage", {"files": {"image": b"no image"}}),
        (
            "POST",
            "/detect",
            422,
            "InvalidRequest",
            {"content": b"--x\r\nno", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        ),
        (
            "POST",
            "/detect",
            400,
            "MalformedBody",
            {"content": b"", "headers": {"content-type": "multipart/form-data"}},
        ),
        ("GET", "/log/entries/1000/proof", 404, "NotFound", {}),
        ("POST", "/log/consistency", 409, "LogTampered", {"json": {"checkpoint": "no checkpoint"}}),
        ("POST", "/log/verify", 422, "UsageError", {"json": {"public_keys": ["no key"]}}),
        ("POST", "/people", 403, "Forbidden", {"by": "searcher", "json": {"ref": "ana"}}),
    ],
)
def test_every_way_an_error_leaves(
    still: Api, method: str, path: str, status: int, name: str, options: dict[str, Any]
) -> None:
    still.error(method, path, status, name, **options)


def test_a_method_that_there_is_not_is_answered_with_those_there_are(still: Api) -> None:
    assert still.send("PATCH", "/people/ana").headers["allow"]


def test_what_was_sent_is_never_sent_back(still: Api) -> None:
    """Not a value, and not a member's name that the caller made up: a secret may stand in the wrong place."""
    secret = "wJalrXUtnFEMI" + "K7MDENGbPxRfiCYEXAMPLEKEY99"
    for body in (
        {secret: 1},
        {"ref": f"{secret} "},
        {"ref": [secret]},
        {"ref": {secret: secret}},
        {"ref": "ana", "name": {"a": secret}},
        {"ref": "ana", secret: secret},
    ):
        response = still.send("POST", "/people", json=body)
        assert_error(response, 422, "InvalidRequest")
        assert secret not in response.text
    response = still.send("POST", "/collections", json={"name": "c", "purpose": "p", "tags": {secret: {}}})
    assert_error(response, 422, "InvalidRequest")
    assert secret not in response.text
    for path in (f"/consents/{secret}", f"/people?limit={secret}", f"/keys/{secret}"):
        response = still.send("GET" if "keys" not in path else "DELETE", path)
        assert secret not in response.text
        assert_error(response, 422, "InvalidRequest")
    files = {"image": (secret, secret.encode() * 10, secret), secret: (secret, secret.encode())}
    response = still.send("POST", "/detect", files=files)
    assert secret not in response.text
    assert_error(response, 422, "InvalidRequest")
    response = still.send("POST", "/detect", files={"image": files["image"]})
    assert secret not in response.text
    assert_error(response, 422, "UnreadableImage")
