from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assent.models.pip_settings import IndexSettings, parse_index_settings, read_index_settings


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", IndexSettings()),
        ("global.index-url='https://a/simple'", IndexSettings(index_url="https://a/simple")),
        ("global.index_url='https://a/simple'", IndexSettings(index_url="https://a/simple")),
        (
            "global.extra-index-url='\\nhttps://a\\nhttps://b'",
            IndexSettings(extra_index_urls=("https://a", "https://b")),
        ),
        ("global.find-links='/x  /y'", IndexSettings(find_links=("/x", "/y"))),
        ("install.trusted-host='h:8080'", IndexSettings(trusted_hosts=("h:8080",))),
        ("global.cert='/ca'\nglobal.client-cert='/me'", IndexSettings(ca_path="/ca", client_cert="/me")),
        ("global.proxy='http://p:1'", IndexSettings(proxy="http://p:1")),
        (":env:.no-index='1'", IndexSettings(no_index=True)),
        ("global.no-index='true'", IndexSettings(no_index=True)),
        ("global.no-index='false'", IndexSettings(no_index=False)),
        (":env:.default-timeout='180'", IndexSettings(timeout_s=180.0)),
        ("global.timeout='7'", IndexSettings(timeout_s=7.0)),
        ("global.timeout='soon'", IndexSettings()),
        ("global.timeout='0'", IndexSettings(timeout_s=1.0)),
        ("a warning without meaning\nwheel.index-url='https://no'\n=\n", IndexSettings()),
        ("global.index-url=https://unquoted", IndexSettings(index_url="https://unquoted")),
    ],
)
def test_what_pip_lists_is_understood(listed: str, expected: IndexSettings) -> None:
    assert parse_index_settings(listed) == expected


def test_the_environment_wins_over_download_install_and_global() -> None:
    lines = [
        ":env:.index-url='https://env'",
        "download.index-url='https://download'",
        "install.index-url='https://install'",
        "global.index-url='https://global'",
    ]
    for expected in ("env", "download", "install", "global"):
        assert parse_index_settings("\n".join(lines)).index_url == f"https://{expected}"
        lines.pop(0)


def test_addresses_are_not_shown() -> None:
    shown = repr(
        IndexSettings(
            index_url="https://u:secret@a",
            extra_index_urls=("https://u:secret@b",),
            proxy="http://u:secret@c",
        )
    )
    assert "secret" not in shown


def test_the_users_own_pip_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://user:pass@example.test/simple\n"
        "extra-index-url =\n    https://one.test/simple\n    https://two.test/simple\n"
        "[download]\ntrusted-host = one.test\n"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    settings = read_index_settings(environ | {"PIP_CONFIG_FILE": str(config), "PIP_PROXY": "http://p.test:1"})
    assert settings.index_url == "https://user:pass@example.test/simple"
    assert {"https://one.test/simple", "https://two.test/simple"} <= set(settings.extra_index_urls)
    assert settings.trusted_hosts == ("one.test",)
    assert settings.proxy == "http://p.test:1"


def test_without_any_pip_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = read_index_settings(
        {"PIP_INDEX_URL": "https://a", "PIP_EXTRA_INDEX_URL": "https://b https://c"}
    )
    assert settings == IndexSettings(index_url="https://a", extra_index_urls=("https://b", "https://c"))


def test_a_pip_that_hangs_or_fails_is_no_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    def hang(command: list[str], **options: object) -> object:
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", hang)
    assert read_index_settings({"PIP_INDEX_URL": "https://a"}).index_url == "https://a"
    failed = subprocess.CompletedProcess([], 1, stdout="global.index-url='https://no'", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    assert read_index_settings({}).index_url is None
