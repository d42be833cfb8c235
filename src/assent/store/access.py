"""Access keys: who may ask for what. The secret is sealed, since a signature can only be checked with it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from assent.errors import NotFound, TokenReused, UsageError
from assent.store import fields
from assent.store.log import LogWrites
from assent.store.schema import access_keys, request_tokens
from assent.store.scope import Scope

_ID_PREFIX: Final = "ASNT"
_TOKEN_LIFE: Final = timedelta(hours=24)


class Role(StrEnum):
    """What the holder of a key may do."""

    ENROLLER = "enroller"
    SEARCHER = "searcher"
    REVIEWER = "reviewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Somebody's way in, without its secret.

    Attributes:
        id: 20 characters, ``ASNT`` and 16 of A-Z and 2-7; no secret.
        holder: who has it, an id and not a name; two reviewers are two holders.
        roles: what it opens; ``admin`` opens everything.
        created_at: UTC.
        revoked_at: UTC, or None while it opens anything.
    """

    id: str
    holder: str
    roles: frozenset[Role]
    created_at: datetime
    revoked_at: datetime | None

    @property
    def actor(self) -> str:
        """How the log calls whoever acts with it."""
        return f"{self.holder}/{self.id}"

    def has(self, *roles: Role) -> bool:
        """Whether it has one of these roles, or all."""
        return Role.ADMIN in self.roles or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """A key just made.

    Attributes:
        key: what is kept.
        secret: 40 characters, to be shown once.
    """

    key: AccessKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestToken:
    """What a client sends so that a request repeated after a lost answer happens once.

    Attributes:
        operation: what was asked for.
        token: the client's, 1 to 64 characters.
        request_sha256: hexadecimal, of the request's other parameters.
    """

    operation: str
    token: str
    request_sha256: str


class AccessReads(Scope):
    """Reading access keys."""

    def access_keys(self) -> list[AccessKey]:
        """Every key, oldest first; revoked ones too."""
        query = sa.select(access_keys).order_by(access_keys.c.created_at, access_keys.c.id)
        return [_access_key(row) for row in self._connection.execute(query).mappings()]

    def access_key(self, key_id: str) -> AccessKey:
        """The key of this id. Raises ``NotFound``."""
        return _access_key(self._access_row(key_id))

    def access_secret(self, key_id: str) -> str | None:
        """The secret of a key that is not revoked; None otherwise.

        Raises:
            StoreUnavailable: the row was altered or moved.
        """
        query = sa.select(access_keys.c.sealed_secret).where(
            access_keys.c.id == key_id, access_keys.c.revoked_at.is_(None)
        )
        sealed = self._connection.execute(query).scalar_one_or_none()
        return None if sealed is None else self._vault.open_secret(key_id, sealed).decode("ascii")

    def _access_row(self, key_id: str) -> Any:
        query = sa.select(access_keys).where(access_keys.c.id == key_id)
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no access key has this id; list them (assent keys list)")
        return row


class AccessWrites(AccessReads, LogWrites):
    """Making and revoking access keys; remembering request tokens."""

    def add_access_key(self, holder: str, roles: Iterable[Role | str]) -> NewAccessKey:
        """Make a key. Logged as ``access.granted``.

        Args:
            holder: an id for a person or program, matching ``[a-zA-Z0-9_.-]{1,64}``; not a name.
            roles: one or more.

        Raises:
            UsageError: a malformed holder, no role, or one that there is not.
        """
        fields.matching("holder", holder, fields.VERSION)
        chosen = _roles(roles)
        key_id = _ID_PREFIX + base64.b32encode(secrets.token_bytes(10)).decode("ascii")
        secret = base64.b64encode(secrets.token_bytes(30)).decode("ascii")
        key = AccessKey(key_id, holder, chosen, self._now, None)
        self._connection.execute(
            sa.insert(access_keys).values(
                id=key_id,
                holder=holder,
                roles=_joined(chosen),
                sealed_secret=self._vault.seal_secret(key_id, secret.encode("ascii")),
                created_at=self._now,
            )
        )
        self.append_log("access.granted", {"key": key_id, "holder": holder, "roles": sorted(chosen)})
        return NewAccessKey(key, secret)

    def revoke_access_key(self, key_id: str) -> AccessKey:
        """End a key at once and destroy its secret; again changes nothing. Logged as ``access.revoked``.

        Raises:
            NotFound: no key has this id.
        """
        key = self.access_key(key_id)
        if key.revoked_at is not None:
            return key
        self._connection.execute(
            sa.update(access_keys)
            .where(access_keys.c.id == key_id)
            .values(revoked_at=self._now, sealed_secret=None)
        )
        self._has_destroyed = True
        self.append_log("access.revoked", {"key": key_id, "holder": key.holder})
        return self.access_key(key_id)

    def is_repeated(self, token: RequestToken) -> bool:
        """Whether a request came before under this token in the last day; it is remembered from now on.

        Raises:
            TokenReused: it came with other parameters.
            UsageError: a malformed token.
        """
        fields.matching("token", token.token, fields.VERSION)
        self._connection.execute(
            sa.delete(request_tokens).where(request_tokens.c.created_at <= self._now - _TOKEN_LIFE)
        )
        query = sa.select(request_tokens.c.request_sha256).where(
            request_tokens.c.operation == token.operation, request_tokens.c.token == token.token
        )
        earlier = self._connection.execute(query).scalar_one_or_none()
        if earlier is None:
            self._connection.execute(
                sa.insert(request_tokens).values(
                    operation=token.operation,
                    token=token.token,
                    request_sha256=token.request_sha256,
                    created_at=self._now,
                )
            )
            return False
        if earlier != token.request_sha256:
            raise TokenReused(
                f"this request token came before with other parameters of {token.operation}; send a new token with a "
                "new request"
            )
        return True

    def _rewrap_access_secrets(self, fresh: Any) -> None:
        """Seal every secret under the master key that takes this one's place."""
        query = sa.select(access_keys.c.id, access_keys.c.sealed_secret).where(
            access_keys.c.sealed_secret.is_not(None)
        )
        for key_id, sealed in self._connection.execute(query).all():
            self._connection.execute(
                sa.update(access_keys)
                .where(access_keys.c.id == key_id)
                .values(sealed_secret=fresh.seal_secret(key_id, self._vault.open_secret(key_id, sealed)))
            )


def _roles(given: Iterable[Role | str]) -> frozenset[Role]:
    try:
        chosen = frozenset(Role(role) for role in given)
    except ValueError as error:
        raise UsageError(f"expected roles of {', '.join(Role)}, got another") from error
    if not chosen:
        raise UsageError(f"expected at least one role of {', '.join(Role)}, got none")
    return chosen


def _joined(roles: frozenset[Role]) -> str:
    return ",".join(sorted(roles))


def _access_key(row: Any) -> AccessKey:
    return AccessKey(
        id=row["id"],
        holder=row["holder"],
        roles=frozenset(Role(role) for role in row["roles"].split(",")),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
