"""What an operator may give to reach an Outline server."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilbot_adapters.vpn.outline_settings import checked
from veilbot_core.domain.errors import InvalidInput

SHA = "AB" * 32


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://VPN.Example.com:4433/AbC/", "https://vpn.example.com:4433/AbC"),
        ("  https://vpn.example.com/abc\n", "https://vpn.example.com:443/abc"),
        ("https://[2606:4700::1111]:1/abc", "https://[2606:4700::1111]:1/abc"),
        ("https://8.8.8.8:1/behind/proxy", "https://8.8.8.8:1/behind/proxy"),
    ],
)
def test_a_url_gets_one_form(url: str, normal: str) -> None:
    kept = checked({"api_url": url, "cert_sha256": SHA}, allow_private=False)
    assert kept == {"api_url": normal, "cert_sha256": "ab" * 32}
    assert checked(kept, allow_private=False) == kept


@pytest.mark.parametrize("sha", [SHA, SHA.lower(), ":".join(["AB"] * 32), f" {SHA}\n"])
def test_a_fingerprint_gets_one_form(sha: str) -> None:
    kept = checked({"api_url": "https://8.8.8.8/x", "cert_sha256": sha}, allow_private=False)
    assert kept["cert_sha256"] == "ab" * 32


def test_what_the_installer_prints_is_enough() -> None:
    printed = json.dumps({"apiUrl": "https://8.8.8.8:9/x", "certSha256": SHA})
    kept = checked({"access": f"\n{printed}\n"}, allow_private=False)
    assert kept == {"api_url": "https://8.8.8.8:9/x", "cert_sha256": "ab" * 32}


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "http://8.8.8.8/x", "ftp://8.8.8.8/x", "8.8.8.8/x", "https://", "https:///x", "https://8.8.8.8"),
        *("https://8.8.8.8/", "https://user:pw@8.8.8.8/x", "https://8.8.8.8/x?y", "https://8.8.8.8/x#y"),
        *("https://8.8.8.8:99999/x", "https://8.8.8.8:0/x", "https://8.8.8.8:a/x", "https://8.8.8.8/x/../y"),
        *("https://8.8.8.8/x y", "https://8.8.8.8/x\r\ny", "https://8.8.8.8/%2e", "https://[::1/x", "https://127.1/x"),
        *("https://127.0.0.1/x", "https://localhost:1/x", "https://169.254.169.254/x", "https://[::ffff:10.0.0.1]/x"),
        "https://8.8.8.8/" + "x" * 3000,
    ],
)
def test_a_bad_url_is_refused_by_name_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({"api_url": url, "cert_sha256": SHA}, allow_private=False)
    assert caught.value.field == "api_url"
    assert "8.8.8.8" not in caught.value.message


@pytest.mark.parametrize("sha", ["", "ab", "zz" * 32, "ab" * 33, "sha256:" + SHA])
def test_a_bad_fingerprint_is_refused_by_name(sha: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({"api_url": "https://8.8.8.8/x", "cert_sha256": sha}, allow_private=False)
    assert caught.value.field == "cert_sha256"


@pytest.mark.parametrize("access", ["", "{", "[]", "7", '{"apiUrl": 7}', '{"apiUrl": "https://8.8.8.8/x"}', "[" * 9000])
def test_bad_json_is_refused_by_name(access: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({"access": access}, allow_private=False)
    assert caught.value.field == "access"


@pytest.mark.parametrize("extra", [{"token": "x"}, {"access": "{}"}, {"api_url": 7}])
def test_what_is_not_asked_for_is_refused(extra: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({"api_url": "https://8.8.8.8/x", "cert_sha256": SHA, **extra}, allow_private=False)
    assert caught.value.field in extra


def test_a_private_address_is_taken_where_the_operator_allows_it() -> None:
    kept = checked({"api_url": "https://127.0.0.1:1/x", "cert_sha256": SHA}, allow_private=True)
    assert kept["api_url"] == "https://127.0.0.1:1/x"


@given(st.dictionaries(st.sampled_from(["api_url", "cert_sha256", "access"]), st.text()))
def test_any_text_is_taken_or_refused(typed: dict[str, str]) -> None:
    with suppress(InvalidInput):
        kept = checked(typed, allow_private=True)
        assert checked(kept, allow_private=True) == kept
