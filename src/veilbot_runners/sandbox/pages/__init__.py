"""The sandbox's pages: plain HTML, CSS and JavaScript that load nothing from elsewhere."""

from importlib.resources import files
from typing import Final

ASSETS: Final = {
    "sandbox.css": "text/css; charset=utf-8",
    "home.css": "text/css; charset=utf-8",
    "home.js": "text/javascript; charset=utf-8",
    "chat.css": "text/css; charset=utf-8",
    "bubbles.css": "text/css; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "bubbles.js": "text/javascript; charset=utf-8",
    "writing.js": "text/javascript; charset=utf-8",
    "server.js": "text/javascript; charset=utf-8",
    "dialogs.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""What the pages load, with its content type."""

HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
"""What every page and asset is served with."""


def read(name: str) -> bytes:
    """Return one of the files in this package."""
    return files(__package__).joinpath(name).read_bytes()
