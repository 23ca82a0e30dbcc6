"""Checks the installation of a silo. `helm test` runs this check in a separate pod.

python -m fedjobs_agent.installation_check --config /etc/fedjobs/agent.yaml

Checks the silo file, the existence of the data, and the connection to the front door. The check has no key and does not
enrol.
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
    """Runs the check. Returns 0 if there is no problem, or 1 and prints the problems."""
    parser = argparse.ArgumentParser("python -m fedjobs_agent.installation_check", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of agent.yaml")
    options = parser.parse_args(arguments)
    failed = False
    try:
        config = configs.load(options.config)
        silo = SiloFileReader(config).current()
        _say(f"The file of silo {silo.silo} is valid. Datasets: {', '.join(silo.datasets) or 'none'}.")
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
            continue  # the pod has no credentials for the URL
        if not glob.glob(path, recursive=True):  # noqa: PTH207 (an absolute pattern)
            yield (
                f"datasets.{name}: there is no file {path}. Mount the data with data.volume, and make the files "
                "readable for user 65532."
            )


def _path(dataset: DatasetFile) -> str:
    source = dataset.source
    return next(files.path for files in (source.csv, source.parquet, source.npz) if files is not None)


def _way_out(config: AgentConfig) -> str:
    """Checks the connection to the front door. Returns a message with the result.

    Raises:
        FedjobsError: UNAVAILABLE.
    """
    if not config.token_file.exists():
        return "There is no token, so the connection to the front door was not checked."
    token = silo_tokens.decoded(config.token_file.read_text("utf-8"))
    address = config.dial_address or token.address
    check_way(token, address)
    return f"The front door {token.front_door} answers at {address}."


def check_way(token: SiloToken, address: str, timeout_s: float = CONNECTED_S) -> None:
    """Connects to the hub, and verifies that it is the federation's hub.

    Args:
        token: The token, which contains the trusted issuers.
        address: The `host:port` to connect to.
        timeout_s: The timeout in seconds.

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
                    ErrorCode.INVALID_CERTIFICATE,
                    f"A proxy on the way to {address} intercepts TLS: the certificate for {name} is issued by "
                    f"{issuer}, which is not an issuer of the federation.",
                    f"Exclude {token.front_door} and its subdomains from TLS inspection.",
                ) from None
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"The front door {token.front_door} did not answer at {address} within {timeout_s:.0f} s.",
                "Allow outgoing connections to this address and port, or set proxy or dialAddress.",
            ) from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
