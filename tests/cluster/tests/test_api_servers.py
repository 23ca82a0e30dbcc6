"""An API server for tests: users' permissions, and that it leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.cluster.recognized import require_recognized

pytestmark = pytest.mark.api_server


def test_an_administrator_reads_what_was_written(api_server: ApiServer, api_namespace: str) -> None:
    core = client.CoreV1Api(api_server.client())
    core.create_namespaced_config_map(api_namespace, {"metadata": {"name": "greeting"}, "data": {"hello": "world"}})
    read = api_server.kubectl("get", "configmap", "greeting", "-n", api_namespace, "-o", "jsonpath={.data.hello}")
    assert read == "world"


def test_another_user_may_do_only_what_roles_permit(api_server: ApiServer, api_namespace: str) -> None:
    ada = client.CoreV1Api(api_server.client_as("ada", ["readers"]))
    with pytest.raises(ApiException) as refused:
        ada.list_namespaced_config_map(api_namespace)
    assert refused.value.status == 403
    here = f"--namespace={api_namespace}"
    api_server.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps", here)
    api_server.kubectl("create", "rolebinding", "readers", "--role=reader", "--group=readers", here)
    as_ada = api_server.kubectl_as("ada", ["readers"])
    question = ("auth", "can-i", "list", "configmaps", here)
    wait_until("the API server applies the role", lambda: as_ada.run(*question).returncode == 0)
    assert ada.list_namespaced_config_map(api_namespace).items == []


def test_every_request_is_in_the_audit_log(api_server: ApiServer, api_namespace: str) -> None:
    client.CoreV1Api(api_server.client()).list_namespaced_secret(api_namespace)
    events = [json.loads(line) for line in api_server.audit_log.read_text().splitlines()]
    assert ("list", "secrets", api_namespace, "admin") in {
        (e["verb"], e["objectRef"].get("resource"), e["objectRef"].get("namespace"), e["user"]["username"])
        for e in events
        if "objectRef" in e
    }


def test_it_is_recognized_as_a_test_cluster(api_server: ApiServer) -> None:
    require_recognized(api_server.kubectl)


OWNER_OF_ONE = """
import pathlib, sys, psutil
from tests.cluster.api_servers import running_api_server
with running_api_server(pathlib.Path(sys.argv[1])):
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    sys.stdin.read()
"""


def test_it_ends_with_its_owner_even_if_the_owner_is_killed(api_server: ApiServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER_OF_ONE, str(tmp_path / "files")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        children = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert {child.name() for child in children} == {"etcd", "kube-apiserver"}
        owner.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_with_controllers_owned_objects_are_deleted_with_their_owner(api_server_with_controllers: ApiServer) -> None:
    kubectl = api_server_with_controllers.kubectl
    kubectl("create", "namespace", "owners")
    kubectl("create", "configmap", "owner", "-n", "owners")
    uid = kubectl("get", "configmap", "owner", "-n", "owners", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = {"name": "owned", "namespace": "owners", "ownerReferences": [owner]}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned}))
    kubectl("delete", "configmap", "owner", "-n", "owners", "--cascade=foreground", "--wait=true", "--timeout=60s")
    assert "NotFound" in kubectl.run("get", "configmap", "owned", "-n", "owners").stderr
    kubectl("delete", "namespace", "owners", "--timeout=60s")
