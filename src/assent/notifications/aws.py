"""Clients of AWS's services, or of anything that speaks their protocols, for telling something once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from assent.notifications.base import NotDelivered

_TIMEOUT_S = 10


@contextmanager
def telling(name: str, *, endpoint: str | None, region: str | None) -> Iterator[Any]:
    """A client, tried once and not for long; what goes wrong with it in the block is a notice that did not arrive.

    Args:
        name: of the service: ``SNS``, ``Kinesis``.
        endpoint: URL of the server; AWS's own when None.
        region: that requests are signed for.

    Raises:
        NotDelivered: the service refuses, or cannot be reached, or boto3 is not installed.
    """
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        raise NotDelivered(
            f"{name} needs {error.name}, which is not installed; run: pip install 'assent[server]'"
        ) from error
    try:
        yield _client(name.lower(), endpoint, region)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))[:64]
        raise NotDelivered(f"{name} refused it ({code if code.isalnum() else 'error'})") from error
    except (BotoCoreError, ValueError) as error:
        # made anew: what it knew when it was made, credentials among it, may be what is wrong
        _client.cache_clear()
        raise NotDelivered(f"{name} cannot be reached ({type(error).__name__})") from error


@lru_cache(maxsize=16)
def _client(service: str, endpoint: str | None, region: str | None) -> Any:
    """Making one takes many times what a call takes; threads may share it."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1})
    return boto3.session.Session().client(service, endpoint_url=endpoint, region_name=region, config=config)
