"""Turn: where a message stands in the lane of its sender."""

from enum import StrEnum


class Turn(StrEnum):
    """A message waits, is being answered, or is over; it never goes back."""

    WAITING = "waiting"
    BEGUN = "begun"
    OVER = "over"
