"""Sealed: a secret that only the secrets port can open."""

import hashlib
from typing import NewType

Sealed = NewType("Sealed", bytes)
"""Ciphertext with the id of its key inside; safe to store, opened only with the row it belongs to."""


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hexadecimal, to find its row without storing it.

    Enough for secrets of 128 random bits and more; never for a password that a person chose.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
