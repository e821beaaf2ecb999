"""Wire: what the bot needs of a Bot API client; the container gives it the one that the notifier has."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID


class Wire(Protocol):
    """Calls methods of one bot; timeouts, retries and the token are its own."""

    @abstractmethod
    async def call(self, method: str, payload: Mapping[str, Any], *, patience: float | None = None) -> Any:  # noqa: ANN401 - JSON is what it is
        """Call a method with JSON and return its result.

        Raises:
            Unavailable: Telegram cannot be reached, or asks for a pause.
            Rejected: it refuses; ``field`` is ``token`` when it does not know the bot, ``conflict`` when another
                process takes its updates.
        """

    @abstractmethod
    async def upload(self, method: str, payload: Mapping[str, Any], field: str, content: bytes) -> Any:  # noqa: ANN401
        """Call a method with one PNG file; raises as `call` does."""


class Bills(Protocol):
    """Which messages ask for money."""

    @abstractmethod
    async def shown(self, order_id: UUID, message_id: int) -> None:
        """Remember that this message of the customer's chat asks for the order's money."""

    @abstractmethod
    async def left(self, order_id: UUID) -> None:
        """Forget it: the message shows something else now."""
