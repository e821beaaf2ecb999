"""Sealing with AES-256-GCM."""

import base64
import hashlib
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilbot_adapters.sealing import SealingSecrets, new_key
from veilbot_core.domain.errors import InvalidInput, Rejected

ROW = UUID(int=7)


def test_a_sealed_value_has_the_documented_form() -> None:
    key = new_key()
    raw = base64.urlsafe_b64decode(key)
    sealed = SealingSecrets([key]).seal("text", ROW)
    assert sealed[:5] == b"\x01" + hashlib.sha256(raw).digest()[:4]
    assert AESGCM(raw).decrypt(sealed[5:17], sealed[17:], ROW.bytes) == b"text"


def test_no_nonce_is_used_twice() -> None:
    secrets = SealingSecrets([new_key()])
    assert len({secrets.seal("text", ROW)[5:17] for _ in range(1000)}) == 1000


def test_the_first_key_seals_and_all_open() -> None:
    old, new = new_key(), new_key()
    sealed = SealingSecrets([old]).seal("text", ROW)
    rotated = SealingSecrets([new, old])
    assert rotated.open(sealed, ROW) == "text"
    assert rotated.stale(sealed)
    again = rotated.seal("text", ROW)
    assert not rotated.stale(again)
    assert SealingSecrets([new]).open(again, ROW) == "text"


def test_an_unknown_key_is_refused() -> None:
    sealed = SealingSecrets([new_key()]).seal("text", ROW)
    with pytest.raises(Rejected, match="not known here"):
        SealingSecrets([new_key()]).open(sealed, ROW)


def test_padding_and_spaces_do_not_matter() -> None:
    key = new_key()
    sealed = SealingSecrets([key]).seal("text", ROW)
    assert SealingSecrets([f" {key.rstrip('=')} "]).open(sealed, ROW) == "text"


def test_the_same_key_twice_is_one() -> None:
    key = new_key()
    secrets = SealingSecrets([key, key])
    assert secrets.open(secrets.seal("text", ROW), ROW) == "text"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "short",
        "päßwort" * 7,
        "not base64url!" * 4,
        new_key()[:-4],
        new_key() + new_key(),
        base64.b64encode(b"\xfb\xff" * 16).decode(),
        base64.urlsafe_b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(b"veilbot-veilbot-veilbot-veilbot!").decode(),
    ],
)
def test_a_weak_or_malformed_key_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        SealingSecrets([new_key(), key])
    assert "key 2" in refusal.value.message
    assert refusal.value.field == "encryption_keys"
    assert not key or key not in refusal.value.message
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_no_keys_are_refused() -> None:
    with pytest.raises(InvalidInput):
        SealingSecrets([])


def test_two_keys_with_one_short_id_are_refused() -> None:
    """These two were searched for: by chance a collision takes some 77 000 keys."""
    pair = [base64.urlsafe_b64encode(hashlib.sha256(f"key {n}".encode()).digest()).decode() for n in (74824, 124877)]
    with pytest.raises(InvalidInput, match="same short id"):
        SealingSecrets(pair)


def test_it_shows_no_key() -> None:
    key = new_key()
    assert key not in repr(SealingSecrets([key]))
