"""Secrets sealed with AES-256-GCM."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilbot_core.domain.errors import InvalidInput, Rejected
from veilbot_core.domain.secret import Sealed
from veilbot_core.ports.secrets import Secrets

_VERSION = b"\x01"
_ID_BYTES, _NONCE_BYTES, _KEY_BYTES = 4, 12, 32
_BODY = 1 + _ID_BYTES + _NONCE_BYTES
_LEAST_DISTINCT = 16
"""Of 32 random bytes about 30 differ; fewer than 16 is no chance (less than 1 in 10**12) but a typed key."""


class SealingSecrets(Secrets):
    """Seals with the first key, opens with any.

    A sealed value is a version byte (1), the first 4 bytes of SHA-256 of the key, a nonce of 12 random bytes
    (NIST SP 800-38D, 8.2.2: good for 2**32 values under one key), then ciphertext and tag. The row's id is
    authenticated with it.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Take base64url keys of 32 bytes. Raises InvalidInput, which never shows a key."""
        if not keys:
            raise InvalidInput("at least one encryption key is needed", field="encryption_keys")
        raw = [_read(key, number) for number, key in enumerate(keys, start=1)]
        self._newest = _identify(raw[0])
        self._ciphers = {_identify(key): AESGCM(key) for key in raw}
        if len(self._ciphers) != len(set(raw)):
            raise InvalidInput("two encryption keys have the same short id; make another", field="encryption_keys")

    def seal(self, plain: str, row: UUID) -> Sealed:
        """Encrypt under the first key."""
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[self._newest].encrypt(nonce, plain.encode(), row.bytes)
        return Sealed(_VERSION + self._newest + nonce + text)

    def open(self, sealed: Sealed, row: UUID) -> str:
        """Decrypt under the key that the value names. Raises Rejected."""
        if sealed[:1] != _VERSION:
            raise Rejected("the sealed value has an unknown format")
        cipher = self._ciphers.get(sealed[1 : 1 + _ID_BYTES])
        if cipher is None:
            raise Rejected("the key of this sealed value is not known here")
        try:
            return cipher.decrypt(sealed[1 + _ID_BYTES : _BODY], sealed[_BODY:], row.bytes).decode()
        except (InvalidTag, ValueError):
            raise Rejected("the sealed value belongs to another row or was altered") from None

    def stale(self, sealed: Sealed) -> bool:
        """Say whether a value is not under the first key."""
        return sealed[: 1 + _ID_BYTES] != _VERSION + self._newest


def new_key() -> str:
    """Return a new random key, as the settings take it."""
    return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()


def _identify(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_ID_BYTES]


def _read(key: str, number: int) -> bytes:
    bare = key.strip().rstrip("=")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"encryption key {number} is not base64url", field="encryption_keys") from None
    if len(raw) != _KEY_BYTES:
        raise InvalidInput(f"encryption key {number} is not 32 bytes long", field="encryption_keys")
    if len(set(raw)) < _LEAST_DISTINCT:
        raise InvalidInput(f"encryption key {number} is weak: it is not random", field="encryption_keys")
    return raw
