"""Files by name and hash from the user's own package index, or from an address.

The index, its password (netrc, keyring or address), certificates and proxy are those that the user's pip is
set to. A release's file is looked for on each index in turn; since the hash is pinned, whichever has it
will do.
"""

from __future__ import annotations

import hashlib
import logging
import os
import ssl
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
from unearth import PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.collector import LinkCollectError
from unearth.fetchers import Fetcher, PyPIClient
from unearth.link import Link

from assent.errors import DownloadFailed, ModelCorrupt, ModelUnsupported
from assent.models.download import NoProgress, Progress, Wanted, download, has_hash
from assent.models.files import atomic_file, disk_errors
from assent.models.pip_settings import IndexSettings, read_index_settings

# The finder warns of every index that lacks a project. Without a handler of its own that would reach the
# terminal; the error raised here says the same once.
logging.getLogger("unearth").addHandler(logging.NullHandler())

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of one release.

    Attributes:
        project: its name on the index.
        version: of the release.
        filename: of the wheel or source archive.
        sha256: of the file.
        size_bytes: where it is known.
    """

    project: str
    version: str
    filename: str
    sha256: str
    size_bytes: int | None = None


def fetch_package_file(
    file: PackageFile,
    dest_dir: Path,
    *,
    progress: Progress | None = None,
    settings: IndexSettings | None = None,
) -> Path:
    """Gets a release's file into a folder, from the user's package index; asks nobody if it is there.

    Args:
        file: which one.
        dest_dir: made if need be.
        progress: told of every byte.
        settings: where to look; default what the user's pip is set to.

    Returns:
        The file, whose hash is right.

    Raises:
        DownloadFailed: no index has it, gives it, or gives the right one.
        ModelError: no room or no permission.
    """
    dest = _destination(dest_dir, file.filename)
    if has_hash(dest, file.sha256):
        return dest
    settings = settings or read_index_settings()
    wanted = Wanted(file.filename, file.sha256, file.size_bytes)
    failures: list[str] = []
    with _client(settings) as client:
        for url in _candidates(client, settings, file, failures):
            try:
                download(client, url, dest, wanted, progress=progress or NoProgress())
            except DownloadFailed as error:
                failures.append(error.message)
            else:
                return dest
    if len(failures) == 1:
        raise DownloadFailed(failures[0])
    tried = "; ".join(failures) or "no index is set (no-index)"
    raise DownloadFailed(
        f"{file.filename}: expected it on the package index, got: {tried}. Check the network and "
        "`pip config list`."
    )


def fetch_url(
    url: str,
    sha256: str,
    dest: Path,
    *,
    size_bytes: int | None = None,
    progress: Progress | None = None,
    settings: IndexSettings | None = None,
) -> Path:
    """Gets the file at an address; asks nobody if it is there. Certificates and proxy are pip's.

    Args:
        url: http, https or file.
        sha256: of the file.
        dest: where it goes; its folder is made if need be.
        size_bytes: where it is known.
        progress: told of every byte.
        settings: certificates, proxy and patience; default what the user's pip is set to.

    Returns:
        ``dest``.

    Raises:
        DownloadFailed: the address does not give the file, or gives another.
        ModelError: no room or no permission.
    """
    _destination(dest.parent, dest.name)
    if has_hash(dest, sha256):
        return dest
    with _client(settings or read_index_settings()) as client:
        wanted = Wanted(dest.name, sha256, size_bytes)
        download(client, url, dest, wanted, progress=progress or NoProgress())
    return dest


def unpack_member(archive: Path, member: str, dest: Path, sha256: str) -> Path:
    """Takes one file out of a zip (wheel) or tar archive, and checks its hash.

    Args:
        archive: the archive.
        member: the path in it.
        dest: where the file goes, whole or not at all.
        sha256: of the file.

    Returns:
        ``dest``.

    Raises:
        ModelCorrupt: the archive is damaged, or the file is not the expected one.
        ModelUnsupported: the archive has no such file.
        ModelError: no room or no permission.
    """
    with disk_errors(dest.parent):
        dest.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(dest) as target, _open_member(archive, member) as source:
            digest = hashlib.sha256()
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
            got = digest.hexdigest()
            if got != sha256:
                raise ModelCorrupt(
                    f"{dest.name}: expected sha256 {sha256}, got {got} in {archive.name}; get the archive "
                    "again."
                )
    return dest


def _destination(folder: Path, filename: str) -> Path:
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / filename


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """The member, open to read; whatever a damaged archive raises becomes one error."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as source:
                yield source
        else:
            with tarfile.open(archive) as tarred:
                extracted = tarred.extractfile(member)
                if extracted is None:
                    raise KeyError(member)
                with extracted:
                    yield extracted
    except KeyError as error:
        raise ModelUnsupported(
            f"{archive.name}: expected a file {member} in it, got none; the manifest names another "
            "archive or member."
        ) from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise ModelCorrupt(
            f"{archive.name}: expected a whole archive, got {type(error).__name__}; remove it and pull again."
        ) from error


def _candidates(
    client: PyPIClient, settings: IndexSettings, file: PackageFile, failures: list[str]
) -> Iterator[str]:
    """Addresses of the file, index by index; what went wrong with the others is added to ``failures``."""
    for place, finder in _finders(client, settings):
        try:
            # Yanked files and other platforms' too: this very file is wanted, and nothing is installed.
            found = finder.find_all_packages(file.project, allow_yanked=True)
            links = [package.link for package in found if package.link.filename == file.filename]
        except (httpx2.HTTPError, httpx2.InvalidURL, LinkCollectError, ValueError, OSError) as error:
            failures.append(f"{place} could not be read ({type(error).__name__})")
            continue
        promising = [link for link in links if _promises(link, file.sha256)]
        if not links:
            failures.append(f"{place} does not list it")
        elif not promising:
            failures.append(f"{place} lists it with another hash than {file.sha256}")
        for link in promising:
            yield link.normalized


def _promises(link: Link, sha256: str) -> bool:
    """Whether the index's own sha256 of the file, where it gives one, is the pinned one."""
    stated = (link.hash_option or {}).get("sha256")
    return not stated or sha256 in stated


def _finders(client: PyPIClient, settings: IndexSettings) -> Iterator[tuple[str, PackageFinder]]:
    """One finder for each place, so that an index that cannot be reached does not hide the others.

    Places are named by host or folder, without user, password or query.
    """
    fetcher = cast("Fetcher", client)  # the finder's own client, whose signature is a little wider
    for link in settings.find_links:
        expanded = str(Path(link).expanduser()) if "://" not in link else link
        finder = PackageFinder(fetcher, find_links=[expanded], ignore_compatibility=True)
        yield f"find-links {_place(expanded)}", finder
    if settings.no_index:
        return
    for url in (settings.index_url, *settings.extra_index_urls):
        # Without an address the finder takes the usual public index.
        finder = PackageFinder(fetcher, index_urls=[url] if url else (), ignore_compatibility=True)
        yield f"index {_place(finder.sources[0]['url'])}", finder


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or Path(parts.path).name or "(local)"


def _client(settings: IndexSettings) -> PyPIClient:
    """An HTTP client with the user's certificates, proxy and passwords."""
    try:
        context = _ssl_context(settings)
    except (OSError, ssl.SSLError) as error:
        raise DownloadFailed(
            f"expected pip's cert and client-cert to be readable PEM files, got {type(error).__name__}; see "
            "`pip config list`."
        ) from error
    indexes = [url for url in (settings.index_url, *settings.extra_index_urls) if url]
    client = PyPIClient(
        verify=context,
        proxy=settings.proxy,
        timeout=settings.timeout_s,
        follow_redirects=True,
        mounts=_trusted_mounts(settings),
        trusted_hosts=settings.trusted_hosts,
    )
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    return client


def _ssl_context(settings: IndexSettings) -> ssl.SSLContext:
    ca_path = settings.ca_path
    if ca_path is None:
        context = httpx2.create_ssl_context()
    elif os.path.isdir(ca_path):  # noqa: PTH112 - pip takes either, as a plain string
        context = ssl.create_default_context(capath=ca_path)
    else:
        context = ssl.create_default_context(cafile=ca_path)
    if settings.client_cert is not None:
        context.load_cert_chain(settings.client_cert)
    return context


def _trusted_mounts(settings: IndexSettings) -> dict[str, httpx2.BaseTransport]:
    """Transports of the hosts whose certificates are not checked, through the same proxy as the others."""
    mounts: dict[str, httpx2.BaseTransport] = {}
    for host in settings.trusted_hosts:
        proxy = settings.proxy
        if proxy is None and not proxy_bypass(host):
            proxy = getproxies().get("https")
        mounts[f"all://{host}"] = httpx2.HTTPTransport(verify=False, proxy=proxy)
    return mounts
