"""Who sent a request: the access key whose secret signed it."""

from __future__ import annotations

from datetime import datetime

from assent.service import Assent
from assent.store.access import AccessKey
from assent.wire.errors import WireError
from assent.wire.sigv4 import UNKNOWN_CLIENT, Request, Signature, check, read_signature


class Signer:
    """The key that a request claims, looked up before its body is read.

    Args:
        assent: the service.
        request: as received, without its body.

    Raises:
        WireError: no signature, a malformed one, or of a key that is unknown or revoked (which of these is not said).
    """

    def __init__(self, assent: Assent, request: Request) -> None:
        self._request = request
        self._signature: Signature = read_signature(request)
        found = assent.access.with_secret(self._signature.key_id)
        if found is None:
            raise WireError("UnrecognizedClientException", UNKNOWN_CLIENT)
        self._key, self._secret = found
        self._region = assent.settings.region

    def proven(self, body: bytes, now: datetime) -> AccessKey:
        """The key, once the signature over the whole request is found to be its secret's.

        Raises:
            WireError: ``InvalidSignatureException``.
        """
        check(self._request, self._signature, body=body, secret=self._secret, region=self._region, now=now)
        return self._key
