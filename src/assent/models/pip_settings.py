"""Where the user's pip looks for packages, so that model files come by the same way as everything else.

pip has no public interface to its settings but its command line: ``pip config list`` merges all of its files
and the environment, and prints one ``section.key='value'`` a line, the value as a Python literal.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTIONS = ("global", "install", "download", ":env:")
"""Later ones win, as in pip."""

_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_DEFAULT_TIMEOUT_S = 30.0
_MAX_TIMEOUT_S = 600.0
_PIP_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What of pip's settings matters for finding and getting a file. Addresses may hold passwords: not shown.

    Attributes:
        index_url: the main index, or None for the usual public one.
        extra_index_urls: further indexes.
        find_links: folders and pages that list files.
        trusted_hosts: ``host`` or ``host:port`` whose certificates are not checked.
        ca_path: a file or folder of certificate authorities, or None for the system's.
        client_cert: a PEM file with key and certificate.
        proxy: address of a proxy.
        no_index: only ``find_links`` are looked at.
        timeout_s: seconds to wait for a connection or the next bytes.
    """

    index_url: str | None = field(default=None, repr=False)
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    trusted_hosts: tuple[str, ...] = ()
    ca_path: str | None = None
    client_cert: str | None = None
    proxy: str | None = field(default=None, repr=False)
    no_index: bool = False
    timeout_s: float = _DEFAULT_TIMEOUT_S


def read_index_settings(environ: Mapping[str, str] | None = None) -> IndexSettings:
    """The settings of the user's pip; without any pip, those in the environment (``PIP_INDEX_URL``, ...).

    Args:
        environ: the environment, default the process's own.
    """
    environ = os.environ if environ is None else environ
    listed = _run_pip_config(environ)
    return parse_index_settings(_environment_lines(environ) if listed is None else listed)


def parse_index_settings(listed: str) -> IndexSettings:
    """The settings in what ``pip config list`` prints; lines that are none are passed over.

    Args:
        listed: lines of ``section.key='value'``.
    """
    by_section: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listed.splitlines():
        name, separator, literal = line.partition("=")
        section, _, key = name.strip().rpartition(".")
        if separator and section in by_section:
            by_section[section][key.lower().replace("_", "-")] = _value(literal)
    merged: dict[str, str] = {}
    for section in _SECTIONS:
        merged |= by_section[section]
    return IndexSettings(
        index_url=merged.get("index-url", "").strip() or None,
        extra_index_urls=_words(merged.get("extra-index-url")),
        find_links=_words(merged.get("find-links")),
        trusted_hosts=_words(merged.get("trusted-host")),
        ca_path=merged.get("cert", "").strip() or None,
        client_cert=merged.get("client-cert", "").strip() or None,
        proxy=merged.get("proxy", "").strip() or None,
        no_index=merged.get("no-index", "").strip().lower() in _TRUE,
        timeout_s=_seconds(merged.get("timeout") or merged.get("default-timeout")),
    )


def _run_pip_config(environ: Mapping[str, str]) -> str | None:
    """What the first pip that answers prints, or None."""
    candidates = [[sys.executable, "-m", "pip"]]
    # An environment made without pip can still belong to a user who has one.
    candidates += [[found] for found in map(shutil.which, ("pip", "pip3")) if found]
    for pip in candidates:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own pip, fixed arguments
                [*pip, "config", "list", "--disable-pip-version-check"],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PIP_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return done.stdout
    return None


def _environment_lines(environ: Mapping[str, str]) -> str:
    """The environment's ``PIP_`` variables in the form of ``pip config list``."""
    return "\n".join(
        f":env:.{name.removeprefix('PIP_')}={value!r}"
        for name, value in environ.items()
        if name.startswith("PIP_")
    )


def _value(literal: str) -> str:
    try:
        value = ast.literal_eval(literal.strip())
    except (ValueError, SyntaxError):
        return literal.strip()
    return value if isinstance(value, str) else str(value)


def _words(value: str | None) -> tuple[str, ...]:
    """Values of options that may be given several times are separated by spaces or lines."""
    return tuple((value or "").split())


def _seconds(value: str | None) -> float:
    try:
        seconds = float(value or _DEFAULT_TIMEOUT_S)
    except ValueError:
        return _DEFAULT_TIMEOUT_S
    return min(max(seconds, 1.0), _MAX_TIMEOUT_S)
