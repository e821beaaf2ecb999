"""Sealed: a secret that only the secrets port can open."""

import hashlib
from enum import StrEnum
from typing import NewType

Sealed = NewType("Sealed", bytes)
"""Ciphertext with the id of its key inside; safe to store, opened only with the row it belongs to."""


class Place(StrEnum):
    """Where sealed values are kept: the noun and its field."""

    SERVER = "server.endpoint"
    SUBSCRIPTION = "subscription.token"
    KEY = "key.access_url"


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hexadecimal, to find its row without storing it.

    Enough for secrets of 128 random bits and more; never for a password that a person chose.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
