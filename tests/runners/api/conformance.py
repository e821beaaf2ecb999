"""Checks answers against the OpenAPI document; enough of JSON Schema for what the document uses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


class Document:
    """The OpenAPI document of an API."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self._routes = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path, item)
            for path, item in sorted(content["paths"].items(), key=lambda one: "{" in one[0])
        ]

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield every method, path and operation."""
        for path, item in self.content["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def check(self, response: httpx.Response) -> None:
        """Fail when an answer is not what the document says."""
        path = response.request.url.path.rstrip("/") or "/"
        operation = next(
            (item.get(response.request.method.lower()) for route, _, item in self._routes if route.fullmatch(path)),
            None,
        )
        if operation is None:  # no such route or method
            assert response.status_code in {404, 405}, (path, response.status_code)
            return
        answer = operation["responses"].get(str(response.status_code))
        assert answer is not None, f"{path} answers {response.status_code}, which the document does not know"
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in answer["content"], f"{path} answers {response.status_code} with {kind}"
        if kind.endswith("json"):
            wrong = list(self._wrong(response.json(), answer["content"][kind]["schema"], "$"))
            assert not wrong, (path, response.status_code, wrong)

    def _wrong(self, value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = self.content["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        choices = [*schema.get("oneOf", []), *schema.get("anyOf", [])]
        if choices and all(list(self._wrong(value, choice, at)) for choice in choices):
            yield f"{at}: {value!r} is none of the choices"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: {value!r} is not in {schema['enum']}"
        kinds = schema.get("type", [])
        allowed = [t for kind in ([kinds] if isinstance(kinds, str) else kinds) for t in _TYPES[kind]]
        if allowed and (not isinstance(value, tuple(allowed)) or (isinstance(value, bool) and bool not in allowed)):
            yield f"{at}: {value!r} is no {kinds}"
        elif isinstance(value, dict) and "properties" in schema:
            known = schema["properties"]
            yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
            yield from (f"{at}.{name} is not documented" for name in value if name not in known)
            for name in value.keys() & known.keys():
                yield from self._wrong(value[name], known[name], f"{at}.{name}")
        elif isinstance(value, list):
            for place, item in enumerate(value):
                yield from self._wrong(item, schema.get("items", {}), f"{at}[{place}]")
