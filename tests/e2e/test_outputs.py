"""Results that are stored elsewhere: in a claim, and on an S3 server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.cluster.readiness import wait_until
from tests.e2e.federations import Federation, a_job
from tests.sockets import free_ports


@pytest.fixture(scope="module")
def to_a_claim(federation: Federation) -> str:
    """A job that runs while the other test runs its job."""
    claim: dict[str, Any] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    federation.cluster.kubectl.apply(yaml.safe_dump(_with_namespace(federation, claim | {"spec": spec})))
    output = {"persistentVolumeClaim": {"claimName": "models", "path": "digits"}}
    coordinator = {"storage": {"accessMode": "ReadWriteOncePod"}}
    return federation.apply(a_job("to-a-claim", rounds=2, output=output, coordinator=coordinator))


@pytest.mark.usefixtures("to_a_claim")
def test_a_result_on_s3(federation: Federation, s3: str) -> None:
    options = {"key": "testing", "secret": "testing", "endpoint_url": s3}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}}
    manifest = _with_namespace(federation, secret) | {"stringData": {"options.json": json.dumps(options)}}
    federation.cluster.kubectl.apply(yaml.safe_dump(manifest))
    output = {"uri": "s3://models/digits", "secretRef": {"name": "s3"}}
    name = federation.apply(a_job("to-s3", rounds=2, output=output, ttlSecondsAfterFinished=5))

    status = federation.complete(name)

    assert status["result"]["uri"] == "s3://models/digits"
    found = _client(s3).list_objects_v2(Bucket="models", Prefix="digits/")["Contents"]
    assert "digits/result.json" in {entry["Key"] for entry in found}
    wait_until("the job is deleted", lambda: not federation.kubectl("get", "federatedjob", name, "--ignore-not-found"))


def test_a_result_in_a_claim(federation: Federation, to_a_claim: str, tmp_path: Path) -> None:
    status = federation.complete(to_a_claim)

    assert status["result"]["uri"] == f"pvc://{federation.namespace}/models/digits"
    fetched = federation.fetch(to_a_claim, tmp_path)
    assert fetched["model"]["digest"]
    claim_of_job = f"{to_a_claim}-coordinator-{federation.job(to_a_claim)['metadata']['uid'][:8]}"
    owners = federation.kubectl("get", "pvc", claim_of_job, "-o", "jsonpath={.metadata.ownerReferences[*].name}")
    assert owners == to_a_claim, "the result is elsewhere, so the job must own the coordinator's claim"


@pytest.fixture
def s3(federation: Federation) -> Iterator[str]:
    """Starts an S3 server on this machine that pods can reach, and creates a bucket."""
    address = federation.cluster.machine_address
    if address is None:
        pytest.skip("pods of this cluster cannot reach a server of this machine")
    [port] = free_ports(1)
    url = f"http://{address}:{port}"
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)])
    try:
        wait_until("the S3 server creates a bucket", lambda: _create_bucket(url), seconds=60)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _create_bucket(url: str) -> bool:
    try:
        _client(url).create_bucket(Bucket="models")
    except Exception:
        return False
    return True


def _client(url: str) -> Any:
    known = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url, **known)


def _with_namespace(federation: Federation, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    return manifest | {"metadata": metadata | {"namespace": federation.namespace}}
