"""The wire on a real port, and real clients of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from assent import Assent
from assent.objects import ObjectStore
from assent.store.access import NewAccessKey
from assent.wire import wire_app


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a free loopback port, in a thread; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Wire:
    """A running server with its data folder.

    Attributes:
        assent: the service behind it, for everything that Rekognition has no operation for.
        url: of the server.
        key: an administrator's.
    """

    assent: Assent
    url: str
    key: NewAccessKey

    def client(self, key: NewAccessKey | None = None, **options: Any) -> Any:
        """A Rekognition client made by boto3."""
        key = key or self.key
        settings: dict[str, Any] = {
            "aws_access_key_id": key.key.id,
            "aws_secret_access_key": key.secret,
            "region_name": "us-east-1",
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=60),
        }
        return boto3.session.Session().client("rekognition", endpoint_url=self.url, **(settings | options))


@contextmanager
def running(assent: Assent, *, objects: ObjectStore | None = None) -> Iterator[Wire]:
    """A server on an open data folder, and an administrator's key for it."""
    key = assent.access.make("tester", ["admin"])
    with serving(wire_app(assent, objects=objects)) as url:
        yield Wire(assent, url, key)
