"""A temporary PostgreSQL server: made in a folder of its own, without a network port, removed at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

START_TIMEOUT_S = 30.0


class NoServerError(Exception):
    """Why there is no server here."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; every test makes databases of its own."""

    socket_dir: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_dir}"

    def create_database(self) -> str:
        """A new, empty database's name."""
        name = f"test_{uuid.uuid4().hex}"
        with self._admin() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        with self._admin() as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def empty_tables(self, database: str, tables: list[str]) -> None:
        """Empty the tables, past the triggers that keep proof and log."""
        with self._admin(database) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {', '.join(tables)}")

    def _admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            f"host={self.socket_dir} user=postgres dbname={database} connect_timeout=5", autocommit=True
        )


def _binaries() -> Path:
    initdb = shutil.which("initdb")
    if initdb is None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise NoServerError("no initdb on this machine: PostgreSQL is not tested")
        initdb = str(found[-1])
    return Path(initdb).resolve().parent


def _account() -> str | None:
    """Who the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoServerError("run as root without a postgres user: PostgreSQL is not tested")


@contextmanager
def temporary_server() -> Iterator[PostgresServer]:
    """Start a server, stop and remove it at the end. Raises ``NoServerError`` with the reason."""
    binaries, account = _binaries(), _account()
    # not under pytest's folder: the server's user could not reach it, and a socket's path is short
    home = Path(tempfile.mkdtemp(prefix="assent-pg-"))
    try:
        if account is not None:
            shutil.chown(home, account)
        _run_initdb(binaries, home, account)
        with (home / "server.log").open("wb") as log:
            server = _start(binaries, home, account, log)
        try:
            _await(server, home)
            yield PostgresServer(home)
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown
            server.wait(START_TIMEOUT_S)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run_initdb(binaries: Path, home: Path, account: str | None) -> None:
    where = ["-D", str(home / "data")]
    how = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    command = [str(binaries / "initdb"), *where, *how]
    done = subprocess.run(command, user=account, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoServerError(f"initdb failed: {done.stderr.strip().splitlines()[-1:]}")


def _start(binaries: Path, home: Path, account: str | None, log) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
        "max_connections": "40",
        "autovacuum": "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        [binaries / "postgres", "-D", home / "data", *options],
        user=account,
        cwd=home,
        stdout=log,
        stderr=log,
        start_new_session=True,  # an interrupt at the terminal is the tests' to handle
    )


def _await(server: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise NoServerError(f"the server ended: {(home / 'server.log').read_text()[-500:]}")
        try:
            psycopg.connect(f"host={home} user=postgres dbname=postgres connect_timeout=2").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise NoServerError("the server did not answer in time")
