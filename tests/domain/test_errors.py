"""The tree of errors is the one that is drawn at its top."""

import asyncio
import inspect
import socket
import ssl

import pytest

from veilbot_core.domain import errors
from veilbot_core.domain.errors import VeilbotError, because

ALL = [
    thing
    for thing in vars(errors).values()
    if inspect.isclass(thing) and issubclass(thing, VeilbotError) and thing.__module__ == errors.__name__
]


def drawn() -> dict[str, str]:
    """Read the drawing: each error's name and its parent's."""
    parents: dict[int, str] = {0: "VeilbotError"}
    tree = {}
    for line in (errors.__doc__ or "").splitlines():
        head, mark, rest = line.partition("- ")
        if not mark or head[-1:] not in {"|", "`"}:
            continue
        depth = (len(head) - 5) // 3 + 1
        name = rest.split()[0]
        tree[name] = parents[depth - 1]
        parents[depth] = name
    return tree


class TestTree:
    def test_the_drawing_is_true(self) -> None:
        assert drawn() == {c.__name__: c.__mro__[1].__name__ for c in ALL if c is not VeilbotError}

    def test_every_code_is_its_own(self) -> None:
        codes = [error.code for error in ALL]
        assert len(codes) == len(set(codes))
        assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)

    @pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
    def test_the_docstring_is_the_message_unless_one_is_given(self, error: type[VeilbotError]) -> None:
        assert error().message == (error.__doc__ or "").splitlines()[0]
        said = error("because", field="name", retry_after=2.5)
        assert (said.message, str(said), said.field, said.retry_after) == ("because", "because", "name", 2.5)


def wrapped(error: BaseException, outer: Exception) -> Exception:
    """Return an error as a library hands it on."""
    outer.__cause__ = error
    return outer


class TestReasons:
    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (ConnectionRefusedError(111, "Connect call failed ('10.0.0.9', 9)"), "Connection refused"),
            (
                OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 9), [Errno 111]"),
                "Connection refused",
            ),
            (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
            (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "TLS: failed"),
            (TimeoutError(), "no answer in time"),
            (wrapped(asyncio.CancelledError(), TimeoutError()), "no answer in time"),
            (wrapped(ConnectionRefusedError(111, "x"), RuntimeError("http://10.0.0.9")), "Connection refused"),
            (RuntimeError("http://10.0.0.9"), "RuntimeError"),
        ],
    )
    def test_the_system_gives_the_reason(self, error: Exception, said: str) -> None:
        assert because(error) == said

    def test_a_circle_of_reasons_ends(self) -> None:
        one = RuntimeError("http://10.0.0.9")
        assert because(wrapped(wrapped(one, OSError()), one)) == "RuntimeError"
