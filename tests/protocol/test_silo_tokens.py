"""The token of a silo's invitation as text: whole, cut, and with something added."""

from __future__ import annotations

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub.silo_tokens import SiloToken, decoded, new_secret

TRUST = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def a_token() -> SiloToken:
    return SiloToken(
        silo="hospital-a",
        address="fedjobs.example.org:443",
        front_door="fedjobs.example.org",
        trust=TRUST,
        secret=new_secret(),
        expires="2030-01-01T00:00:00Z",
    )


def assert_refused(text: str) -> None:
    with pytest.raises(FedjobsError) as raised:
        decoded(text)
    assert raised.value.code is ErrorCode.INVALID_TOKEN


def test_a_token_can_be_wrapped_over_lines() -> None:
    token = a_token()
    text = token.encoded()
    assert decoded(text) == token
    assert decoded(f" {text[:40]}\n  {text[40:]}\n") == token


@pytest.mark.parametrize("attempt", range(50))
def test_a_token_that_is_cut_anywhere_or_longer_is_refused(attempt: int) -> None:
    """The last bytes are a checksum. Without it, the content of some tokens is complete."""
    text = a_token().encoded()
    for length in range(len(text) - 24, len(text)):
        assert_refused(text[:length])
    for added in ("A", "AA", "AAAA", "A" * 40):
        assert_refused(text + added)
