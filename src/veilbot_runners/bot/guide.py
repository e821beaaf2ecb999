"""Guide: the way in, the way on, and how to connect."""

from dataclasses import dataclass

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.user import Language
from veilbot_core.services.users import Users
from veilbot_runners.bot.data import pack
from veilbot_runners.bot.screens import Row, Screen, column, goto
from veilbot_runners.bot.words import Visit

_DEVICES = ("ios", "android", "windows", "macos", "linux")


def menu(visit: Visit) -> tuple[Row, ...]:
    """Return the buttons that lead everywhere."""
    return (
        (goto(visit.say("button-buy"), "t"),),
        (goto(visit.say("button-keys"), "k"),),
        (goto(visit.say("button-help"), "h"), goto(visit.say("button-language"), "l")),
    )


def home(visit: Visit) -> Row:
    """Return the row that leads back to the menu."""
    return (goto(visit.say("button-menu"), "m"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Screens that sell nothing and show nothing secret."""

    users: Users
    support: str
    """Where a person helps: a Telegram name or an address; may be empty."""

    async def start(self, visit: Visit) -> Screen:
        """Greet."""
        greeting = visit.say("start", name=visit.name) if visit.name else visit.say("start-nameless")
        return Screen(text=greeting, rows=menu(visit))

    async def hint(self, visit: Visit) -> Screen:
        """Say what is understood here."""
        return Screen(text=visit.say("hint"), rows=menu(visit))

    async def help(self, visit: Visit) -> Screen:
        """Ask for the device."""
        buttons = [goto(visit.say(f"button-{device}"), pack("i", choice=device)) for device in _DEVICES]
        rows = (tuple(buttons[:2]), tuple(buttons[2:4]), tuple(buttons[4:]), home(visit))
        return Screen(text=visit.join(visit.say("help"), self._support(visit)), rows=rows)

    async def device(self, visit: Visit) -> Screen:
        """Show the steps for one device."""
        if visit.choice not in _DEVICES:
            raise InvalidInput("no such device", field="device")
        rows = (
            (goto(visit.say("button-keys"), "k"),),
            (goto(visit.say("button-back"), "h"), *home(visit)),
        )
        return Screen(
            text=visit.join(visit.say(f"help-{visit.choice}"), visit.say("help-hiddify"), self._support(visit)),
            rows=rows,
        )

    async def language(self, visit: Visit) -> Screen:
        """Ask for the language."""
        buttons = (goto(visit.say(f"language-{one.value}"), pack("g", choice=one.value)) for one in Language)
        return Screen(text=visit.say("language"), rows=(*column(buttons), home(visit)))

    def _support(self, visit: Visit) -> str:
        return visit.say("help-support", support=self.support) if self.support else ""
