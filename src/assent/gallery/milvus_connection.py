"""A connection to a Milvus: each call has an end, and a failure is one of ours."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from assent.errors import IndexUnavailable, UsageError

_NOT_FOUND, _NOT_LOADED, _NOT_CONNECTED = 100, 101, 2


class Gone(Exception):
    """The collection is not there any more; for the index to say in its own words."""


@cache
def pymilvus() -> Any:
    """The library, loaded when first needed, without what it does to a process that loads it.

    Raises:
        UsageError: it is not installed.
    """
    before = set(os.environ)
    try:
        import pymilvus as module
    except ModuleNotFoundError as error:
        raise UsageError("Milvus needs pymilvus; run: pip install 'assent[milvus]'") from error
    finally:
        # it reads a file .env that lies about
        for name in set(os.environ) - before:
            del os.environ[name]
    # it prints every failure, at length, to the terminal; here a failure is an error, said once
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL + 1)
    return module


class MilvusConnection:
    """Made when first needed, and again after a failure. Several threads may use it.

    Args:
        uri: ``http://HOST:PORT``, ``https://...``, ``unix:PATH``, or a file that ends in ``.db`` for Milvus Lite.
        token: ``USER:PASSWORD`` or an API key; never printed.
        timeout_s: longest wait for an answer, seconds.

    Raises:
        UsageError: ``uri`` is none of these, or has a password in it.

    Attributes:
        address: what may be printed of ``uri``.
    """

    def __init__(self, uri: str, *, token: str | None, timeout_s: float) -> None:
        self._uri, self._token, self._timeout_s = uri, token or "", timeout_s
        self.address = _address(uri)
        # an index may end, and want its collection dropped, while this very thread connects
        self._lock = threading.RLock()
        self._client: Any = None
        self._failed_at_s = -math.inf

    @property
    def is_ending(self) -> bool:
        """Whether this is Milvus Lite, in this process, and the process is ending: it answers no more."""
        return self._uri.endswith(".db") and not threading.main_thread().is_alive()

    def close(self) -> None:
        """Close it; it is opened again when needed."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def call(
        self, what: str, method: str, name: str, *args: Any, timeout_s: float | None = None, **options: Any
    ) -> Any:
        """What a method of pymilvus's client gives for a collection.

        Args:
            what: it does, for the error.
            method: of the client.
            name: of the collection; it is loaded, if that is what is missing.
            args: others of the method.
            timeout_s: a shorter wait than usual.
            options: others of the method.

        Raises:
            IndexUnavailable: no connection, no answer in time, or a refusal.
            Gone: the collection is not there.
        """
        client, library = self._connected(), pymilvus()
        wait_s = min(timeout_s, self._timeout_s) if timeout_s is not None else self._timeout_s
        try:
            return getattr(client, method)(name, *args, timeout=wait_s, **options)
        except library.MilvusException as error:
            if error.code == _NOT_FOUND:
                raise Gone from error
            if error.code == _NOT_LOADED and method != "load_collection":
                self.call(what, "load_collection", name)
                return self.call(what, method, name, *args, timeout_s=timeout_s, **options)
            is_lost = error.code == _NOT_CONNECTED or not isinstance(error.code, int)
            if is_lost:
                self._forget(client)
            reason = "no answer in time" if is_lost else _reason(error.message)
            raise self._refusal(what, reason) from error
        except Exception as error:
            if not _is_rpc_error(error):
                raise
            self._forget(client)
            raise self._refusal(what, "no answer in time") from error

    def _connected(self) -> Any:
        asked_at_s = time.monotonic()
        with self._lock:
            if self._client is not None:
                return self._client
            library = pymilvus()
            if self._failed_at_s >= asked_at_s:
                # it failed while this thread waited for it, which need not wait as long again
                raise self._refusal("connect", "no answer")
            try:
                self._client = library.MilvusClient(
                    self._uri, token=self._token, timeout=self._timeout_s, dedicated=True
                )
            except library.MilvusException as error:
                self._failed_at_s = time.monotonic()
                raise self._refusal("connect", "no answer") from error
            except Exception as error:
                if not _is_rpc_error(error):
                    raise
                self._failed_at_s = time.monotonic()
                raise self._refusal("connect", "no answer in time") from error
            return self._client

    def _forget(self, client: Any) -> None:
        """Connect anew next time: the one that failed may never come back."""
        with self._lock:
            if self._client is client:
                self._client = None
        client.close()

    def _refusal(self, what: str, reason: str) -> IndexUnavailable:
        return IndexUnavailable(
            f"Milvus at {self.address}, cannot {what}: {reason}; see that it runs and can be reached, "
            "nothing is lost meanwhile"
        )


def _address(uri: str) -> str:
    """What may be printed of a URI."""
    if uri.endswith(".db") and "://" not in uri:
        return uri
    if uri.startswith("unix:"):
        return uri
    try:
        parts = urlsplit(uri)
        has_password = parts.username is not None or parts.password is not None
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("milvus_uri must be like http://HOST:19530, got another; correct it") from error
    if has_password:
        raise UsageError("milvus_uri must have no user or password in it; put them in ASSENT_MILVUS_TOKEN")
    if parts.scheme not in ("http", "https", "tcp") or not host:
        raise UsageError(
            "milvus_uri must be like http://HOST:19530, https://HOST, unix:PATH, or a file that ends in .db; "
            "correct it"
        )
    return f"{host}:{port or (443 if parts.scheme == 'https' else 19530)}{parts.path.rstrip('/')}"


def _is_rpc_error(error: Exception) -> bool:
    import grpc

    return isinstance(error, grpc.RpcError | grpc.FutureTimeoutError)


def _reason(message: str) -> str:
    """The first line of what Milvus says, short."""
    return " ".join(message.split())[:200] or "it says no reason"
