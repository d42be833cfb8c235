"""Webhooks: a signed POST to the URL that the operator configured.

The signature is over the moment and the body, so that neither can be changed, nor an old one sent again much later:

    Assent-Signature: t=SECONDS,v1=HEX     HEX = HMAC-SHA256(secret, "SECONDS." + body)
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from assent.notifications.base import NotDelivered

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """One URL.

    Attributes:
        url: as configured; redirects are not followed.
        secret: what it is signed with.
        clock_s: gives seconds since the epoch.
    """

    url: str
    secret: bytes = field(repr=False)
    clock_s: Callable[[], float] = time.time

    def send(self, notice_id: str, body: str) -> None:
        """See ``Notifier.send``; anything but a status of 200 to 299 is not delivered."""
        content = body.encode()
        headers = {
            "Content-Type": "application/json",
            "Assent-Notice-Id": notice_id,
            "Assent-Signature": signature(self.secret, content, at_s=int(self.clock_s())),
        }
        try:
            with httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
                status = client.post(self.url, content=content, headers=headers).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NotDelivered(f"the webhook cannot be reached ({type(error).__name__})") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"the webhook answered {status}")


def signature(secret: bytes, body: bytes, *, at_s: int) -> str:
    """The header's value.

    Example:
        >>> signature(b"secret", b"{}", at_s=1)[:16]
        't=1,v1=1122767b1'
    """
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"
