"""What an HTTP answer says about coming again."""

from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

_MOST = 86_400.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` in seconds: a number, or a date measured by the answer's own ``Date`` (RFC 9110, 10.2.3).

    ``headers`` have lower-case names, or none that differ by case only. None if there is nothing of use.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _MOST)
    with suppress(ValueError, TypeError):  # TypeError: one of the two has no time zone
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
        return min(max(wait.total_seconds(), 0.0), _MOST)
    return None
