"""Bodies: JSON read strictly, straight into the type that a handler asks for."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException

from veilbot_core.domain.errors import InvalidInput

_WHERE = re.compile(r"^(?P<what>.*?)(?: - at (?:`\w+` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?:required|unknown) field `(?P<name>[^`]*)`")


class StrictRequest(Request[Any, Any, Any]):
    """A request whose body is decoded without coercion; ``"5"`` is no number, and an unknown field is an error.

    Litestar on its own decodes to plain objects first and converts them leniently.
    """

    async def json(self) -> Any:  # noqa: ANN401 - the type that the handler's `data` has
        """Decode the body.

        Raises:
            ClientException: the sender calls it something else than JSON.
            InvalidInput: naming the field where there is one.
        """
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise ClientException("the body must be application/json", status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        wanted = self.route_handler.parsed_data_field
        decoder = _decoder(wanted.annotation if wanted else object)
        try:
            return decoder.decode(await self.body())
        except msgspec.ValidationError as error:
            raise _explained(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidInput("the body is not valid JSON in UTF-8", field="body") from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":  # noqa: ANN401 - a type expression
    return msgspec.json.Decoder(kind)


def _explained(text: str) -> InvalidInput:
    """Return what msgspec says ("Expected `int`, got `str` - at `$.days`") as an error that names the field."""
    found = _WHERE.match(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    if named := _NAMED.search(what):
        path = f"{path}.{named['name']}" if path else named["name"]
    return InvalidInput(what, field=path or "body")
