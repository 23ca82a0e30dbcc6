"""Decisions of the silo's administrators about computations, in a folder.

A denial is the file `DIGEST.json`, and applies to the computation whatever it reads. An approval is the file
`DIGEST.SCOPE.json`, and covers one scope (`consent_scopes`). `SCOPE` is the beginning of the scope's digest. On a
cluster, the folder is a mounted ConfigMap, whose keys are the file names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import structlog
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model
from pydantic import ValidationError

from fedjobs_worker.consent.consent_scopes import ConsentScope

CONFIG_MAP = "fedjobs-approvals"
"""The name of the ConfigMap in the silo's namespace."""
_NAME = re.compile(r"([0-9a-f]{64})(?:\.([0-9a-f]{32}))?\.json")
_LOG = structlog.get_logger()


class Approval(Model):
    """An administrator's decision about a computation."""

    decision: Literal["approved", "denied"]
    by: str = ""
    """The administrator's user name on their machine."""
    at: str = ""
    """The time in ISO 8601."""
    message: str = ""
    """The reason, which the user who runs the job sees."""
    scope: ConsentScope | None = None
    """What an approval covers. A denial has none."""


@dataclass(frozen=True)
class Decisions:
    """The decisions about one computation.

    Attributes:
        denial: The denial, if there is one. No approval counts then.
        approvals: The approvals, each for one scope.
        problem: Why the decisions are not known, or empty. Then the computation may not run.
    """

    denial: Approval | None = None
    approvals: tuple[Approval, ...] = ()
    problem: str = ""

    def covering(self, scope: ConsentScope) -> Approval | None:
        """Returns the approval of exactly this scope, if there is one."""
        return next((approval for approval in self.approvals if approval.scope == scope), None)


class Approvals(Protocol):
    """Returns decisions about computations."""

    def of(self, digest: Digest) -> Decisions:
        """Returns the decisions about a computation. Does not raise."""


class ApprovalFolder:
    """The folder with the decisions, which need not exist yet.

    Args:
        path: The path of the folder, or None if computations cannot be approved.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def of(self, digest: Digest) -> Decisions:
        """Returns the decisions about a computation.

        A file that cannot be read can be a denial. So it makes the decisions unknown, and so does a file with a name
        that does not say which computation it is about.
        """
        if self._path is None:
            return Decisions()
        try:
            names = sorted(path.name for path in self._path.iterdir() if path.name.endswith(".json"))
        except FileNotFoundError:
            return Decisions()
        except OSError as error:
            return self._unknown(str(self._path), str(error.strerror))
        denial, approvals = None, []
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None and not name.startswith("."):  # hidden files are being written
                return self._unknown(name, "its name is not DIGEST.json or DIGEST.SCOPE.json")
            if match is None or match[1] != digest:
                continue
            try:
                said = decision_of(name, (self._path / name).read_bytes())
            except FileNotFoundError:
                continue  # it was removed in the meantime
            except (OSError, ValueError) as error:
                return self._unknown(name, _reason(error))
            if said.decision == "denied":
                denial = said
            else:
                approvals.append(said)
        return Decisions(denial, tuple(approvals))

    def say(self, digest: Digest, approval: Approval) -> None:
        """Writes a decision. A denial removes earlier approvals, and an approval removes an earlier denial."""
        if self._path is None:
            raise ValueError("there is no folder")
        self._path.mkdir(parents=True, exist_ok=True)
        written = file_name(digest, approval)
        write_atomically(self._path / written, content_of(approval).encode(), durable=True, mode=0o644)
        for name in replaced(digest, approval, [path.name for path in self._path.iterdir()]):
            (self._path / name).unlink(missing_ok=True)

    def _unknown(self, file: str, reason: str) -> Decisions:
        _LOG.error("cannot read a decision about computations", file=file, folder=str(self._path), reason=reason)
        return Decisions(problem=f"The file {file} in the silo's folder of decisions cannot be read: {reason}.")


def decision_of(name: str, content: bytes) -> Approval:
    """Reads a decision.

    Args:
        name: The name of the file.
        content: The content of the file.

    Raises:
        ValueError: It is not a decision, or it is not the one that the name says.
    """
    said = Approval.model_validate_json(content)
    match = _NAME.fullmatch(name)
    digest = Digest(match[1]) if match else Digest("")
    if said.decision == "approved" and said.scope is None:
        raise ValueError("it approves a computation without saying which data and outputs; approve it again")
    if said.scope is not None and said.scope.computation != digest:
        raise ValueError("its name and its content are about different computations")
    if file_name(digest, said) != name:
        raise ValueError("its content does not have the digest of its name; approve the computation again")
    return said


def file_name(digest: Digest, approval: Approval) -> str:
    """Returns the name of a decision's file, which is also its key in the ConfigMap."""
    if approval.decision == "approved" and approval.scope is not None:
        return f"{digest}.{approval.scope.digest[:32]}.json"
    return f"{digest}.json"


def replaced(digest: Digest, approval: Approval, names: Iterable[str]) -> list[str]:
    """Returns which of these files a decision makes obsolete."""
    about = [name for name in names if (match := _NAME.fullmatch(name)) and match[1] == digest]
    if approval.decision == "denied":
        return [name for name in about if name != f"{digest}.json"]
    return [name for name in about if name == f"{digest}.json"]


def content_of(approval: Approval) -> str:
    """Returns the content of the file."""
    return approval.model_dump_json(by_alias=True, exclude_defaults=True)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        return f"{field}: {first['msg']}" if field else str(first["msg"])
    return str(getattr(error, "strerror", None) or error)
