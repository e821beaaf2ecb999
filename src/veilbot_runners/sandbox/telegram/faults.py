"""Faults: Telegram on a bad day, on demand."""

from dataclasses import dataclass, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    TOO_MANY = "429"
    FORBIDDEN = "403"
    BROKEN = "500"
    DROP = "drop"
    """The connection breaks and nothing was done."""
    LOST = "lost"
    """It was done, but the connection breaks before the answer."""
    HANG = "hang"
    DUPLICATE = "duplicate"
    """The next update comes twice, with the same ``update_id``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault that waits to happen."""

    kind: FaultKind
    times: int = 1
    retry_after: int = 1
    """Seconds, for 429."""
    seconds: float = 30.0
    """How long HANG hangs."""
    method: str = ""
    """Only calls of this method; without it any call except getUpdates, so that the poller does not eat it."""
    chat_id: int = 0
    """Only calls for this chat."""

    def hits(self, method: str, chat_id: int) -> bool:
        """Whether a call (method in lower case) is what this fault waits for."""
        if self.kind is FaultKind.DUPLICATE or (self.chat_id and self.chat_id != chat_id):
            return False
        return self.method.lower() == method if self.method else method != "getupdates"


class Faults:
    """The armed faults, oldest first."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Let something go wrong, ``fault.times`` times."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Be well again."""
        self._armed.clear()

    def armed(self) -> list[Fault]:
        """Return what still waits to happen."""
        return list(self._armed)

    def take(self, method: str, chat_id: int) -> Fault | None:
        """Return the fault that this call meets, counted down."""
        if not self._armed:
            return None
        return self._use(next((f for f in self._armed if f.hits(method, chat_id)), None))

    def duplicates(self) -> bool:
        """Whether the update that comes now comes twice, counted down."""
        if not self._armed:
            return False
        return self._use(next((f for f in self._armed if f.kind is FaultKind.DUPLICATE), None)) is not None

    def _use(self, fault: Fault | None) -> Fault | None:
        if fault is not None:
            place = self._armed.index(fault)
            if fault.times > 1:
                self._armed[place] = replace(fault, times=fault.times - 1)
            else:
                del self._armed[place]
        return fault
