"""Whether a silo is installed well: `helm test` runs it in a pod of its own, beside the agent.

python -m fedjobs_agent.installation_check --config /etc/fedjobs/agent.yaml

Looks at the silo's file, at the data that it names, and at the way to the front door. It has no key and enrols nothing.
"""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.hub.silo_tokens import SiloToken
from fedjobs_protocol.identities.channels import open_enrolment_channel
from fedjobs_protocol.identities.identities import enrolment_name
from fedjobs_worker.silo_files import DatasetFile, SiloFile

from fedjobs_agent import config as configs
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.identity.tls_interception import stranger
from fedjobs_agent.silo_file_reader import SiloFileReader

CONNECTED_S = 20.0


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 all is well; 1 something is not, and is named."""
    parser = argparse.ArgumentParser("python -m fedjobs_agent.installation_check", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="agent.yaml")
    options = parser.parse_args(arguments)
    failed = False
    try:
        config = configs.load(options.config)
        silo = SiloFileReader(config).current()
        _say(f"the file of silo {silo.silo} is valid; it offers {', '.join(silo.datasets) or 'no dataset'}")
        for problem in _without_data(silo):
            failed = True
            _say(f"FAILED: {problem}")
        _say(_way_out(config))
    except FedjobsError as error:
        failed = True
        _say(f"FAILED: {error.public}")
    return int(failed)


def _without_data(silo: SiloFile) -> Iterator[str]:
    for name, dataset in silo.datasets.items():
        path = _path(dataset)
        if "://" in path:
            continue  # the agent's pod has no credentials for it
        if not glob.glob(path, recursive=True):  # noqa: PTH207 (an absolute pattern)
            yield f"datasets.{name}: there is no file {path}. Mount the data with data.volume, readable for user 65532."


def _path(dataset: DatasetFile) -> str:
    source = dataset.source
    return next(files.path for files in (source.csv, source.parquet, source.npz) if files is not None)


def _way_out(config: AgentConfig) -> str:
    """What was found.

    Raises:
        FedjobsError: UNAVAILABLE.
    """
    if not config.token_file.exists():
        return "there is no token, so the way to the front door was not tried"
    token = silo_tokens.decoded(config.token_file.read_text("utf-8"))
    address = config.dial_address or token.address
    check_way(token, address)
    return f"the front door {token.front_door} answers at {address}"


def check_way(token: SiloToken, address: str, timeout_s: float = CONNECTED_S) -> None:
    """Makes a connection to the hub, which proves itself to be the federation's.

    Args:
        token: Says whom to trust.
        address: `host:port` to dial.
        timeout_s: How long it may take.

    Raises:
        FedjobsError: UNAVAILABLE.
    """
    name = enrolment_name(token.front_door)
    with open_enrolment_channel(address, name, token.trust.encode()) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=timeout_s)
        except grpc.FutureTimeoutError:
            if (issuer := stranger(address, name, token.trust.encode())) is not None:
                raise FedjobsError(
                    ErrorCode.WRONG_CERTIFICATE,
                    f"Somebody between here and {address} opens TLS: the certificate for {name} is issued by {issuer}, "
                    "which the federation did not.",
                    f"Let the proxy pass {token.front_door} and all names that end with it through unopened.",
                ) from None
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"The front door {token.front_door} does not answer at {address} within {timeout_s:.0f} s.",
                "Let the silo reach this address and port, or set proxy or dialAddress.",
            ) from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
