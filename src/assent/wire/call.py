"""What an operation gets and gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assent.objects import ObjectStore
from assent.service import Assent

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked against the service model.

    Attributes:
        operation: its name.
        assent: the service, acting for the holder of the key that signed the request.
        objects: where an ``S3Object`` lies.
        params: members by name; blobs are bytes; unknown members and nulls are gone.
    """

    operation: str
    assent: Assent
    objects: ObjectStore
    params: Mapping[str, Any]

    @property
    def collection(self) -> str:
        """The collection that the request is about."""
        name: str = self.params["CollectionId"]
        return name

    def fingerprint(self) -> str:
        """Hash of what is asked for, hexadecimal: equal for equal requests, whatever their token."""
        asked = {name: value for name, value in self.params.items() if name != "ClientRequestToken"}
        return hashlib.sha256(json.dumps([self.operation, asked], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers.

    Attributes:
        body: members by name; nothing else than JSON values.
        headers: of HTTP, beside the usual ones.
    """

    body: Body = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]
