"""``assent serve``."""

from __future__ import annotations

import ipaddress
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import settings_of
from assent.cli.output import BytesProgress, JsonOption, errors, printable, say
from assent.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assent.config import Settings
    from assent.server.running import Certificate
    from assent.service import Assent
    from assent.store.access import NewAccessKey

FIRST_HOLDER = "first-admin"
"""Who holds the key that is made on the first start."""
_EXTRA = frozenset(
    {"av", "boto3", "botocore", "fastapi", "httptools", "jinja2", "python_multipart", "starlette", "uvicorn"}
)


def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. Default: this machine only (127.0.0.1).", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one. Default: 8731.", min=0, max=65535, show_default=False),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate with its chain, PEM; with --tls-key.", show_default=False)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="The certificate's key, PEM, not encrypted.", show_default=False)
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log no line for each request.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the server: Rekognition's protocol, REST and the console on one port. Ctrl-C stops it.

    Fetches the models where they are missing. On the first start it makes an access key and shows it, once.

    Example: `assent serve`
    """
    settings = _settings(ctx, host, port)
    with _telling_what_to_install():
        from assent.server.accesslog import log_to_stderr
        from assent.server.app import build_app
        from assent.server.running import Server, listen
    certificate = _certificate(tls_cert, tls_key)
    with listen(settings.host, settings.port) as opened:
        _pull_models(settings)
        url = url_of(settings.host, opened.getsockname()[1], is_tls=certificate is not None)
        from assent.service import Assent

        with Assent(settings=settings) as assent:
            assent.warm_up()
            with _telling_what_to_install():
                app = build_app(assent)
            _warn(settings.host, is_tls=certificate is not None)
            first = _first_key(assent)
            log_to_stderr(requests=not quiet)
            greet = lambda: _greet(url, first, settings.region, as_json=as_json)  # noqa: E731 - one line says it
            Server(app, opened, certificate=certificate, on_started=greet).run()


def url_of(host: str, port: int, *, is_tls: bool) -> str:
    """Where programs on this machine reach the server.

    Example:
        >>> url_of("0.0.0.0", 8731, is_tls=False), url_of("::1", 443, is_tls=True)
        ('http://127.0.0.1:8731', 'https://[::1]:443')
    """
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if is_tls else 'http'}://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _settings(ctx: typer.Context, host: str | None, port: int | None) -> Settings:
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings_of(ctx).model_copy(update=given)


@contextmanager
def _telling_what_to_install() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            f"the server needs {error.name}, which is not installed; run: pip install 'assent[server]'"
        ) from error


def _certificate(cert: Path | None, key: Path | None) -> Certificate | None:
    from assent.server.running import Certificate

    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise UsageError(
            "TLS needs a certificate and its key, got one of them; give --tls-cert and --tls-key"
        )
    certificate = Certificate(cert, key)
    certificate.check()
    return certificate


def _pull_models(settings: Settings) -> None:
    """The default models where they are wanted and missing; models of one's own are there or a clear error."""
    from assent.models.manifest import DEFAULT_LANDMARKS, DEFAULT_MODELS
    from assent.models.store import ModelStore

    wanted = (settings.detector, settings.embedder, DEFAULT_LANDMARKS)
    names = [name for name in wanted if name in DEFAULT_MODELS]
    ModelStore(settings.models_path).pull(names, progress=BytesProgress())


def _first_key(assent: Assent) -> NewAccessKey | None:
    """An admin's key where there has never been one."""
    if assent.access.list():
        return None
    return assent.access.make(FIRST_HOLDER, ["admin"])


def _warn(host: str, *, is_tls: bool) -> None:
    if is_loopback(host):
        return
    plain = (
        "" if is_tls else " Pictures, pages and secrets cross the network unencrypted: give --tls-cert and "
    )
    plain += "" if is_tls else "--tls-key, or put a proxy with TLS in front (docs/server.md)."
    message = f"Warning: listening on {host}: other machines can reach the server and try keys.{plain}"
    errors.print(printable(message), markup=False, highlight=False, soft_wrap=True)


def _greet(url: str, first: NewAccessKey | None, region: str, *, as_json: bool) -> None:
    if as_json:
        key = (
            None
            if first is None
            else {"id": first.key.id, "secret": first.secret, "holder": first.key.holder}
        )
        greeting = {"url": url, "rest": f"{url}/v1", "console": f"{url}/", "region": region, "first_key": key}
        sys.stdout.write(json.dumps(greeting) + "\n")  # one line: whoever started this waits for it
    else:
        say(_text(url, first, region))
    sys.stdout.flush()


def _text(url: str, first: NewAccessKey | None, region: str) -> str:
    key_id, secret = (first.key.id, first.secret) if first is not None else ("KEY_ID", "SECRET")
    shown = (
        f"\nThe first access key, an admin's. Its secret is shown this once:\n  {key_id}\n  {secret}\n"
        if first is not None
        else "\nMore keys: assent keys make --holder WHO --role searcher\n"
    )
    return f"""Assent answers at {url} (Ctrl-C stops it).
  console  {url}/
  REST     {url}/v1
{shown}
A program that uses Rekognition, from its shell:
  export AWS_ENDPOINT_URL_REKOGNITION={url}
  export AWS_ACCESS_KEY_ID={key_id}
  export AWS_SECRET_ACCESS_KEY={secret}
  export AWS_DEFAULT_REGION={region}
or in its code:
  boto3.client("rekognition", endpoint_url="{url}", region_name="{region}",
               aws_access_key_id="{key_id}", aws_secret_access_key="{secret}")"""
