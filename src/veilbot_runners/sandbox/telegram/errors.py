"""What the sandbox answers when it refuses.

The texts of `ApiError` are those of the real Bot API server (github.com/tdlib/telegram-bot-api, ``Client.cpp``).
"""

from typing import Any

JsonObject = dict[str, Any]


class ApiError(Exception):
    """An error answer of the Bot API."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> JsonObject:
        """Return the error as the JSON that a bot reads."""
        answer: JsonObject = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            answer["parameters"] = self.parameters
        return answer


def bad_request(text: str) -> ApiError:
    """Make the usual error: the request itself is wrong."""
    return ApiError(400, f"Bad Request: {text}")


def blocked() -> ApiError:
    """Make the error for a customer who shut the bot out."""
    return ApiError(403, "Forbidden: bot was blocked by the user")


def conflict(text: str) -> ApiError:
    """Make the error for two ways of getting updates at once."""
    return ApiError(409, f"Conflict: {text}")


def too_many(seconds: int) -> ApiError:
    """Make the flood error, which says when to come back."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


class Refusal(Exception):
    """An error answer of the customer's side: a status below 500 and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
