"""The bounds of names and texts that leave the silo or enter its records, and the names of devices."""

from __future__ import annotations

import re

from fedjobs_common.untrusted_text import printable

LONGEST_TEXT = 1000
"""Characters of a message to the coordinator."""
LONGEST_NAME = 200
"""Characters of a label or a name that the coordinator chose."""
_DEVICE = re.compile(r"cpu|gpu:\d{1,2}")
_UNKNOWN_DEVICE = "other"


def device_name(reported: str, note: str = "") -> str:
    """Returns the name of the device for the coordinator: `cpu`, `gpu:N` or `other`, and the agent's note.

    Args:
        reported: The name from the runner.
        note: Why the agent chose this device. It does not come from the runner.
    """
    name = reported if _DEVICE.fullmatch(reported) else _UNKNOWN_DEVICE
    return f"{name} ({printable(note, LONGEST_NAME)})" if note else name
