"""Secrets that are only pretended: what is sealed can be told from what is not, and that is all."""

import base64
import binascii
import hashlib
from uuid import UUID

from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.secret import Sealed
from veilbot_core.ports.secrets import Secrets

_MARK = b"memory-sealed:"
_CHECK = 16


class MemorySecrets(Secrets):
    """Marks, encodes and binds to the row, without any key; never for production, anyone can open it."""

    def seal(self, plain: str, row: UUID) -> Sealed:
        """Return the mark, then base64 of a checksum over row and text, and the text."""
        text = plain.encode()
        return Sealed(_MARK + base64.b64encode(_checksum(text, row) + text))

    def open(self, sealed: Sealed, row: UUID) -> str:
        """Return the text. Raises Rejected for another row or an altered value."""
        if not sealed.startswith(_MARK):
            raise Rejected("this value is not sealed")
        try:
            inner = base64.b64decode(sealed.removeprefix(_MARK), validate=True)
        except binascii.Error:
            raise Rejected("the sealed value was altered") from None
        check, text = inner[:_CHECK], inner[_CHECK:]
        if check != _checksum(text, row) or _MARK + base64.b64encode(inner) != sealed:
            raise Rejected("the sealed value belongs to another row or was altered")
        return text.decode()

    def stale(self, sealed: Sealed) -> bool:
        """Say no: there is no key that could be old."""
        return not sealed.startswith(_MARK)


def _checksum(text: bytes, row: UUID) -> bytes:
    return hashlib.sha256(row.bytes + text).digest()[:_CHECK]
