"""Clients of AWS's services, or of anything that speaks their protocols, for telling something once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        NotDelivered: the service refuses, or cannot be reached.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1})
    try:
        yield boto3.session.Session().client(
            name.lower(), endpoint_url=endpoint, region_name=region, config=config
        )
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))[:64]
        raise NotDelivered(f"{name} refused it ({code if code.isalnum() else 'error'})") from error
    except (BotoCoreError, ValueError) as error:
        raise NotDelivered(f"{name} cannot be reached ({type(error).__name__})") from error
