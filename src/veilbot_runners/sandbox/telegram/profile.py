"""The bot's own face: its commands, descriptions and menu button."""

import re
from typing import TYPE_CHECKING

import msgspec

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request
from veilbot_runners.sandbox.telegram.params import Params, as_list, as_object

if TYPE_CHECKING:
    from veilbot_runners.sandbox.telegram.state import TelegramState

_COMMAND = re.compile(r"/?[a-z0-9_]{1,32}")
_COMMANDS = 100
_LIMITS = {"name": 64, "description": 512, "short_description": 120}


class Profile:
    """What setMyCommands and its kin have set."""

    def __init__(self) -> None:
        self.commands: dict[tuple[str, str], list[JsonObject]] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.menu_buttons: dict[int, JsonObject] = {}

    def commands_for(self, chat_id: int, language_code: str) -> list[JsonObject]:
        """Return the menu that a customer sees: the narrowest scope, then the language."""
        scopes = (_key({"type": "chat", "chat_id": chat_id}), _key({"type": "all_private_chats"}), _key(None))
        for scope in scopes:
            for language in (language_code, ""):
                if (scope, language) in self.commands:
                    return self.commands[scope, language]
        return []

    def text_for(self, kind: str, language_code: str) -> str:
        """Return a description in a language, or the one for all languages."""
        return self.texts.get((kind, language_code)) or self.texts.get((kind, ""), "")


def _key(scope: object) -> str:
    if not isinstance(scope, dict) or scope.get("type") in {None, "default"}:
        return "default"
    return msgspec.json.encode({name: str(value) for name, value in sorted(scope.items())}).decode()


def get_me(state: "TelegramState", params: Params) -> JsonObject:  # noqa: ARG001 - every method has this shape
    """Say who the bot is."""
    rights = {"can_join_groups": False, "can_read_all_group_messages": False, "supports_inline_queries": False}
    return {**state.bot, **rights, "can_connect_to_business": False, "has_main_web_app": False}


def set_my_commands(state: "TelegramState", params: Params) -> bool:
    """Set the command menu."""
    commands = as_list(params.json("commands"), "can't parse commands: expected an Array")
    if len(commands) > _COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    state.profile.commands[_place(params)] = [_command(command) for command in commands]
    return True


def get_my_commands(state: "TelegramState", params: Params) -> list[JsonObject]:
    """Return exactly what was set for this scope and language."""
    return state.profile.commands.get(_place(params), [])


def delete_my_commands(state: "TelegramState", params: Params) -> bool:
    """Forget the menu of this scope and language."""
    state.profile.commands.pop(_place(params), None)
    return True


def set_text(state: "TelegramState", params: Params, kind: str) -> bool:
    """Set the name, description or short description."""
    text = params.text(kind)
    if len(text) > _LIMITS[kind]:
        raise bad_request(f"{kind.replace('_', ' ')} is too long")
    state.profile.texts[kind, params.text("language_code")] = text
    return True


def get_text(state: "TelegramState", params: Params, kind: str) -> JsonObject:
    """Return the name, description or short description."""
    fallback = state.bot["first_name"] if kind == "name" else ""
    return {kind: state.profile.text_for(kind, params.text("language_code")) or fallback}


def set_chat_menu_button(state: "TelegramState", params: Params) -> bool:
    """Set what stands beside the input field."""
    given = params.json("menu_button")
    button = {"type": "default"} if given is None else as_object(given, "can't parse menu button: expected an Object")
    if button.get("type") not in {"default", "commands", "web_app"}:
        raise bad_request("MenuButton has unsupported type")
    state.profile.menu_buttons[params.integer("chat_id")] = {"type": button["type"]}
    return True


def get_chat_menu_button(state: "TelegramState", params: Params) -> JsonObject:
    """Return what stands beside the input field."""
    return state.profile.menu_buttons.get(params.integer("chat_id"), {"type": "commands"})


def _place(params: Params) -> tuple[str, str]:
    return _key(params.json("scope")), params.text("language_code")


def _command(value: object) -> JsonObject:
    given = as_object(value, "can't parse BotCommand: expected an Object")
    command, description = given.get("command"), given.get("description")
    if not isinstance(command, str) or not _COMMAND.fullmatch(command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not isinstance(description, str) or not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command.removeprefix("/"), "description": description}
