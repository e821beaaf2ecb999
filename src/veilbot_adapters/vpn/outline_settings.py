"""What an operator gives to reach an Outline server, checked."""

import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from veilbot_adapters.addresses import INSIDE, is_host, is_public
from veilbot_core.domain.errors import InvalidInput

_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_PRINTABLE = re.compile(r"[!-~]{1,2000}")
_HEX = re.compile(r"[0-9a-f]{64}")


def checked(given: Mapping[str, str], *, allow_private: bool) -> Mapping[str, str]:
    """Return ``api_url`` and ``cert_sha256`` in one normal form.

    ``given`` holds these two, or ``access``: the JSON that Outline's installer prints.

    Raises:
        InvalidInput: naming the field.
    """
    for name, value in given.items():
        if name not in {"access", "api_url", "cert_sha256"} or not isinstance(value, str):
            raise InvalidInput("an Outline server has api_url and cert_sha256, or access", field=name)
    if "access" in given:
        if len(given) > 1:
            raise InvalidInput("give either access or api_url and cert_sha256", field="access")
        given = _unpacked(given["access"])
    return {
        "api_url": _url(given.get("api_url", "").strip(), allow_private=allow_private),
        "cert_sha256": _fingerprint(given.get("cert_sha256", "")),
    }


def _unpacked(access: str) -> Mapping[str, str]:
    try:
        read = json.loads(access[:10_000])
    except (ValueError, RecursionError) as error:
        raise InvalidInput("access is the JSON that Outline's installer prints", field="access") from error
    url, sha = (read.get("apiUrl"), read.get("certSha256")) if isinstance(read, dict) else (None, None)
    if not isinstance(url, str) or not isinstance(sha, str):
        raise InvalidInput('access has the form {"apiUrl": "https://...", "certSha256": "..."}', field="access")
    return {"api_url": url, "cert_sha256": sha}


def _url(url: str, *, allow_private: bool) -> str:
    if not _PRINTABLE.fullmatch(url):
        raise InvalidInput("api_url is missing or has characters that no address has", field="api_url")
    try:
        parts = urlsplit(url)
        port = 443 if parts.port is None else parts.port
    except ValueError as error:
        raise InvalidInput("api_url is no address", field="api_url") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https":
        raise InvalidInput("api_url begins with https://", field="api_url")
    if "@" in parts.netloc or parts.query or parts.fragment or port == 0:
        raise InvalidInput("api_url is https://host:port/secret and nothing else", field="api_url")
    if not is_host(host):
        raise InvalidInput("the host in api_url is neither a name nor an address", field="api_url")
    if not allow_private and not is_public(host):
        raise InvalidInput(f"the host in api_url is inside {INSIDE}", field="api_url")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise InvalidInput("api_url has no secret path; take it from the installer's output", field="api_url")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}{path}"


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[:\s]", "", text).lower()
    if not _HEX.fullmatch(digits):
        raise InvalidInput("cert_sha256 is 64 hexadecimal digits, with or without colons", field="cert_sha256")
    return digits
