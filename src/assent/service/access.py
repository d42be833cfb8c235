"""Access keys: who may ask over the network, and for what."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from assent.errors import Forbidden, NotAuthenticated
from assent.service.context import Context
from assent.store.access import AccessKey, NewAccessKey, Role
from assent.store.transaction import Reading


def acting_for(ctx: Context, tx: Reading, *, key_id: str | None, actor: str | None) -> Context:
    """The data folder as whoever asked for work that goes on without them has it now.

    Args:
        ctx: as whoever does the work has it.
        tx: a transaction.
        key_id: the access key that they came with; None where they have the data folder itself.
        actor: how the log calls them; None for whoever does the work.

    Raises:
        Forbidden: their key was revoked.
    """
    if key_id is None:
        return ctx.acting_for(actor) if actor else ctx
    key = tx.access_key(key_id)
    if key.revoked_at is not None:
        raise Forbidden("the access key that asked for this was revoked; ask with another")
    return ctx.acting_as(key)


class AccessKeys:
    """The access keys of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def make(self, holder: str, roles: Iterable[Role | str]) -> NewAccessKey:
        """Make a key; its secret is in the answer and shown nowhere else, ever.

        Args:
            holder: an id for the person or program that will have it: letters, digits, ``_ . -``, at most 64. Two
                people who review for each other need two holders.
            roles: of ``enroller``, ``searcher``, ``reviewer``, ``admin``.

        Raises:
            Forbidden: the caller is no admin.
            UsageError: a malformed holder, no role, or one that there is not.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            return tx.add_access_key(holder, roles)

    def list(self) -> tuple[AccessKey, ...]:
        """Every key, oldest first, revoked ones too; never the secrets.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.reading() as tx:
            return tuple(tx.access_keys())

    def revoke(self, key_id: str) -> AccessKey:
        """End a key: the next request with it is refused.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: no key has this id.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            return tx.revoke_access_key(key_id)

    def with_secret(self, key_id: str) -> tuple[AccessKey, str] | None:
        """A key and its secret, to check a signature with; None where there is none that opens anything."""
        with self._ctx.records.reading() as tx:
            secret = tx.access_secret(key_id)
            return None if secret is None else (tx.access_key(key_id), secret)

    def authenticate(self, key_id: str, secret: str) -> AccessKey:
        """The key of this id, if this is its secret.

        Raises:
            NotAuthenticated: no such key, another secret, or revoked; which of these is not said.
        """
        found = self.with_secret(key_id)
        # Compared even where there is no such key, so that the time taken says nothing.
        expected = found[1] if found is not None else "-"
        is_right = hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogateescape"))
        if found is None or not is_right:
            raise NotAuthenticated(
                "expected the id and secret of an access key, got others; ask whoever runs this server "
                "(assent keys make)"
            )
        return found[0]
