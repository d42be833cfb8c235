"""A real ``assent serve`` in a process of its own, and clients for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2
from botocore.config import Config

from tests.e2e.cli import Cli

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Key:
    """An access key with its secret."""

    id: str
    secret: str


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    greeting: dict[str, Any]
    log_path: Path

    @property
    def url(self) -> str:
        return str(self.greeting["url"])

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """Its log so far: every line must be JSON."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def rekognition(self, key: Key, **config: Any) -> Any:
        """A boto3 client; it does not try again unless told."""
        settings = {"retries": {"max_attempts": 0}, "read_timeout": 60, "max_pool_connections": 1, **config}
        return boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(**settings),
        )

    def rest(self, key: Key) -> httpx2.Client:
        """An HTTP client of the REST interface."""
        return httpx2.Client(base_url=f"{self.url}/v1", auth=(key.id, key.secret), timeout=60)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(how)
        return self.process.wait(40)


def command(*words: object) -> list[str]:
    """The command line of ``assent serve``."""
    return [sys.executable, "-m", "assent", "serve", "--json", "--port", "0", *map(str, words)]


def start(cli: Cli, *words: object, env: dict[str, str] | None = None) -> Served:
    """Start a server on the command line's data folder; answers when this returns."""
    log_path = cli.data.parent / f"server-{len(list(cli.data.parent.glob('server-*.log')))}.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command(*words),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **cli.environment(), **(env or {})},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (process.wait(10), log_path.read_text())
    return Served(process, json.loads(line), log_path)


@contextmanager
def served(cli: Cli, *words: object, env: dict[str, str] | None = None) -> Iterator[Served]:
    """A server that is asked to end at the end, if it still runs, and must then end well."""
    server = start(cli, *words, env=env)
    try:
        yield server
    finally:
        is_running = server.process.poll() is None
        code = server.stop() if is_running else 0
        assert server.process.stdout is not None
        server.process.stdout.close()
    assert code == 0, server.log_path.read_text()


def make_key(cli: Cli, holder: str = "tester", *roles: str) -> Key:
    """A key, an admin's where no role is given."""
    words = [word for role in roles or ("admin",) for word in ("--role", role)]
    made = cli.json("keys", "make", "--holder", holder, *words)
    return Key(made["id"], made["secret"])


def numbered(jpeg: bytes, text: str) -> bytes:
    """The same picture as another file: a JPEG with a comment."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
