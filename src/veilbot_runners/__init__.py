"""What people and machines start: the bot, the HTTP API, the worker, the command line and the sandbox."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veilbot_runners.container import open_application as open_application
    from veilbot_runners.settings import Settings as Settings
    from veilbot_runners.settings import load as load_settings

__all__ = ["Settings", "load_settings", "open_application"]


def __getattr__(name: str) -> object:
    """Import on first use: `veilbot --help` must not pay for the database."""
    if name == "open_application":
        from veilbot_runners.container import open_application

        return open_application
    if name in {"Settings", "load_settings"}:
        from veilbot_runners import settings

        return settings.Settings if name == "Settings" else settings.load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
