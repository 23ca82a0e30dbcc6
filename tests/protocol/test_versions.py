from __future__ import annotations

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.versions import negotiate


def test_the_newest_common_version_is_selected():
    assert negotiate((2, 3), [1, 2, 3, 4], "protocol") == 3


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [
        ((2, 3), [1], "the coordinator supports 2, 3, the silo 1. Upgrade fedjobs at the silo."),
        ((1,), [2, 3], "the coordinator supports 1, the silo 2, 3. Upgrade fedjobs at the coordinator."),
        ((1,), [], "the coordinator supports 1, the silo none. Upgrade fedjobs at the silo."),
    ],
)
def test_without_a_common_version_the_error_says_who_must_upgrade(ours, theirs, says):
    with pytest.raises(FedjobsError) as raised:
        negotiate(ours, theirs, "shard format")
    assert raised.value.code is ErrorCode.VERSION_MISMATCH
    assert says in raised.value.public
    assert "shard format" in raised.value.public
