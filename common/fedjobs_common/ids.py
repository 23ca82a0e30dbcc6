"""Distinct types for names, so that the type checker finds mix-ups."""

from typing import NewType

SiloName = NewType("SiloName", str)
JobUid = NewType("JobUid", str)
WorkId = NewType("WorkId", str)  # 64 hex digits, see fedjobs_coordinator.sessions.work_identities
Digest = NewType("Digest", str)  # BLAKE3, 64 hex digits
Generation = NewType("Generation", int)  # counts the starts of a job's coordinator; each start increases it
