"""Lean: aiogram without building a validator for every type of the Bot API at import.

``import aiogram`` has pydantic build hundreds of validators that a shop never uses: 2 s of CPU and 110 MB. While it
is imported here, two public names of pydantic are replaced, so that each type builds its validator at its first use:
``ConfigDict`` adds ``defer_build``, and ``model_rebuild`` only notes the namespace that types find each other in.
If aiogram does not work that way (any more), it is imported as usual.
"""

import importlib
import logging
import sys
from collections.abc import Mapping
from typing import Any

import pydantic

_LOG = logging.getLogger(__name__)
_real_rebuild = pydantic.BaseModel.__dict__["model_rebuild"].__func__


def load() -> bool:
    """Import aiogram, leanly if that works; say whether it was. Does nothing when it is imported already."""
    if "aiogram" in sys.modules:
        return "model_rebuild" in vars(importlib.import_module("aiogram.types.base").TelegramObject)
    try:
        namespace = _import()
        _teach(namespace)
        _prove()
    except Exception as error:  # noqa: BLE001 - whatever is different about this version, the usual way works
        _LOG.warning("aiogram cannot be imported leanly (%s: %s)", type(error).__name__, error)
        for name in [name for name in sys.modules if name == "aiogram" or name.startswith("aiogram.")]:
            del sys.modules[name]
        importlib.import_module("aiogram")
        return False
    return True


def _import() -> Mapping[str, Any]:
    """Import aiogram with validators put off; return the names of its types."""
    found: dict[str, Any] = {}
    real_config = pydantic.ConfigDict

    def deferring(**settings: Any) -> pydantic.ConfigDict:  # noqa: ANN401 - whatever pydantic takes
        config = real_config(**settings)
        config.setdefault("defer_build", True)
        return config

    def later(_: type[pydantic.BaseModel], /, **options: Any) -> None:  # noqa: ANN401 - whatever pydantic takes
        found.update(options.get("_types_namespace") or {})

    pydantic.ConfigDict = deferring  # type: ignore[misc,assignment]
    pydantic.BaseModel.model_rebuild = classmethod(later)  # type: ignore[method-assign,assignment]
    try:
        importlib.import_module("aiogram")
    finally:
        pydantic.ConfigDict = real_config  # type: ignore[misc]
        pydantic.BaseModel.model_rebuild = classmethod(_real_rebuild)  # type: ignore[method-assign,assignment]
    return found


def _teach(namespace: Mapping[str, Any]) -> None:
    """Let every type find the others when it is first used."""
    methods, types = importlib.import_module("aiogram.methods.base"), importlib.import_module("aiogram.types.base")

    def on_use(cls: type[pydantic.BaseModel], /, **options: Any) -> bool | None:  # noqa: ANN401 - as above
        options["_types_namespace"] = {**namespace, **(options.get("_types_namespace") or {})}
        result: bool | None = _real_rebuild(cls, **options)
        return result

    for base in (types.TelegramObject, methods.TelegramMethod, methods.Response):
        base.model_rebuild = classmethod(on_use)


def _prove() -> None:
    """Build what every update needs now; the first customer must not wait for it, nor find that it fails."""
    types = importlib.import_module("aiogram.types")
    for name in ("Message", "CallbackQuery", "ChatMemberUpdated", "Update"):
        getattr(types, name).model_rebuild()
    person = {"id": 1, "is_bot": False, "first_name": "A"}
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "from": person, "text": "/start"}
    update = types.Update.model_validate({"update_id": 1, "message": message})
    if update.message.text != "/start" or update.message.from_user.first_name != "A":
        raise TypeError("types do not read what they should")
