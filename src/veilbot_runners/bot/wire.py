"""Wire: what the bot needs of a Bot API client; the container gives it the one that the notifier has."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol


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
