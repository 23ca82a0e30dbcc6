"""Runs a real hub on a real API server, for tests that act as silos, coordinators or the operator.

    @pytest.fixture
    def federation(api_server: ApiServer, tmp_path: Path) -> Iterator[Federation]:
        with running_federation(api_server, tmp_path) as federation:   # installs the CRDs, starts one hub
            yield federation

    def test_...(federation: Federation) -> None:
        silo = federation.silo("hospital-a")                 # creates a Silo, which the hub invites
        token = federation.token("hospital-a")               # returns the SiloToken of its invitation
        identity = federation.enrolled("hospital-a")         # does both, enrols, and returns the agent's identity
        job = federation.job(["hospital-a"])                 # creates a FederatedJob that invites it, returns the UID
        with federation.enrolment() as client: ...           # hub_client.EnrolmentClient
        with federation.hub_client(identity) as client: ...  # hub_client.HubClient

`federation.hub` is the process. Its attributes are `address` and `enrolment_address` (127.0.0.1:PORT), `kill()`,
`stop()` and `log`. `federation.start_hub(...)` starts another hub of the same federation. If it gets the same ports, it
replaces a hub that has ended. `running_federation` takes options: `lifetimes=("--token-lifetime-seconds", "60", ...)`.
`federation.front_door` is the server name of the hub's port for open_channel. The server name of the enrolment port is
`enrol.` plus this name. `federation.pod_token(...)` creates a pod and returns a token that is bound to it.

A hub manages all Silos of an API server, whatever its namespace. So run one federation at a time, and give silos
unique names.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from fedjobs_api.crds.files import FOLDER
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.hub.hub_client import EnrolmentClient, HubClient
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.hub.silo_tokens import SiloToken
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.channels import open_channel, open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity, enrolment_name, server_name

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub import rights
from tests.hub.hub_processes import FRONT_DOOR, Body, HubProcess


class Federation:
    """A namespace on an API server, and the hubs in it."""

    def __init__(self, server: ApiServer, namespace: str, folder: Path, options: Sequence[str]) -> None:
        self.server = server
        self.namespace = namespace
        self.authority = f"{namespace}-authority"
        self.front_door = FRONT_DOOR
        self.hubs: list[HubProcess] = []
        self._folder = folder
        self._options = tuple(options)
        self._kubeconfig = rights.granted(server, namespace)

    @property
    def hub(self) -> HubProcess:
        """The hub that was started last."""
        return self.hubs[-1]

    def start_hub(self, *more: str, ports: tuple[int, int] | None = None) -> HubProcess:
        """Starts another hub, and waits until it listens."""
        log = self._folder / f"hub-{len(self.hubs)}.log"
        self.hubs.append(HubProcess(self._kubeconfig, self.namespace, log, *self._options, *more, ports=ports))
        self.hub.wait_until_listening()
        return self.hub

    # Silos

    def silo(self, name: str, **annotations: str) -> Body:
        """Creates or changes a Silo, and returns it."""
        metadata = {"name": name, "annotations": annotations}
        self.apply({"apiVersion": "fedjobs.dev/v1alpha1", "kind": "Silo", "metadata": metadata, "spec": {}})
        return self.get("silo", name)

    def status(self, name: str) -> Body:
        """Returns the status of a Silo."""
        status: Body = self.get("silo", name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """Returns status and reason of a Silo's condition, or empty strings if the condition does not exist."""
        found = [each for each in self.status(name).get("conditions", ()) if each["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def wait_for(self, name: str, kind: str, status: str, reason: str) -> None:
        """Waits until a Silo's condition has this status and reason."""
        wait_until(f"{name}: {kind} {status} {reason}", lambda: self.condition(name, kind) == (status, reason))

    def invitation(self, name: str) -> dict[str, str]:
        """Returns the Secret of a silo's invitation. Waits until the Silo's status has the hash of its token."""

        def made() -> dict[str, str]:
            found = self.server.kubectl.run(
                "get", "secret", f"fedjobs-invitation-{name}", "-n", self.namespace, "-o", "json"
            )
            data = json.loads(found.stdout)["data"] if found.returncode == 0 else {}
            return {key: base64.b64decode(value).decode() for key, value in data.items()}

        def known() -> bool:
            secret = made()
            written = self.status(name).get("enrolment", {}).get("tokenHash", "")
            return bool(secret) and silo_tokens.matches(silo_tokens.decoded(secret["token"]).secret, written)

        wait_until(f"{name} is invited", known, seconds=30)
        return made()

    def token(self, name: str) -> SiloToken:
        return silo_tokens.decoded(self.invitation(name)["token"])

    def enrolled(self, name: str, key: bytes | None = None) -> Identity:
        """Creates a Silo, enrols its agent, and returns the agent's identity."""
        self.silo(name)
        token = self.token(name)
        with self.enrolment() as client:
            return client.enrol(name, token.secret, key or keys.create())

    def suspend(self, name: str, *, suspend: bool = True) -> None:
        self._patch("silo", name, {"spec": {"suspend": suspend}})

    # Jobs

    def job(self, silos: Sequence[str], name: str = "", namespace: str | None = None) -> str:
        """Creates a FederatedJob that invites these silos, sets its status like the operator, and returns its UID."""
        name = name or f"job-{uuid.uuid4().hex[:8]}"
        namespace = namespace or self.namespace
        program = {"name": "fedavg", "parameters": {}}
        spec = {"program": program, "dataset": "digits", "silos": {"names": list(silos) or ["nobody"]}}
        kind = {"apiVersion": "fedjobs.dev/v1alpha1", "kind": "FederatedJob"}
        self.apply({**kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
        uid = str(self.get("federatedjob", name, namespace)["metadata"]["uid"])
        self.invite(name, uid, silos, namespace=namespace)
        return uid

    def invite(self, name: str, uid: str, silos: Sequence[str], namespace: str | None = None) -> None:
        """Sets which silos a job invites. Without silos, the job has no invitation."""
        namespace = namespace or self.namespace
        invitation = Invitation(
            job_uid=uid,
            job_name=name,
            namespace=namespace,
            requested_by="alice@example.org",
            program="fedavg",
            datasets=["digits"],
            address="127.0.0.1:443",
            server_name=server_name(uid, FRONT_DOOR),
        )
        rows = [{"name": silo, "state": "Invited"} for silo in silos]
        document = json.loads(invitation.model_dump_json(by_alias=True, exclude_none=True)) if silos else None
        resolved = {"configMapRef": {"name": f"{name}-resolved"}, "digest": "0", "generation": 1, "silos": list(silos)}
        status = {"invitation": document, "silos": rows, "resolved": resolved}
        self._patch("federatedjob", name, {"status": status}, "status", namespace)

    def pod_token(
        self,
        namespace: str | None = None,
        account: str = "default",
        owners: Sequence[Body] = (),
        audience: str = "fedjobs-hub",
    ) -> str:
        """Creates a pod with these owners, and returns a token of its ServiceAccount that is bound to the pod."""
        namespace, name = namespace or self.namespace, f"pod-{uuid.uuid4().hex[:8]}"
        account_object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        self.apply({**account_object, "metadata": {"name": account, "namespace": namespace}})
        metadata = {"name": name, "namespace": namespace, "ownerReferences": list(owners)}
        spec = {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        arguments = ["create", "token", account, "-n", namespace, "--bound-object-kind=Pod"]
        return self.server.kubectl(*arguments, f"--bound-object-name={name}", f"--audience={audience}").strip()

    def coordinator_token(self, job: str, namespace: str | None = None) -> str:
        """Returns the token of a coordinator's pod, for the FederatedJob with this name."""
        namespace = namespace or self.namespace
        name = f"{job}-coordinator-1"
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
        metadata = {
            "name": name,
            "namespace": namespace,
            "ownerReferences": [self.owner("federatedjob", job, namespace)],
        }
        # Kubernetes' own Job controller would release a pod that it did not create, and the hub would refuse the token.
        spec = {"template": template, "managedBy": "fedjobs.dev/tests"}
        self.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
        owner = self.owner("job", name, namespace)
        coordinator = {"jobName": name, "jobUid": owner["uid"]}
        self._patch("federatedjob", job, {"status": {"coordinator": coordinator}}, "status", namespace)
        return self.pod_token(namespace, owners=[owner])

    def foreign_token(self, job: str, name: str) -> str:
        """Returns the token of a pod whose Job a user created, with the FederatedJob of this name as its owner."""
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
        metadata = {"name": name, "namespace": self.namespace, "ownerReferences": [self.owner("federatedjob", job)]}
        spec = {"template": template, "managedBy": "fedjobs.dev/tests"}
        self.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
        return self.pod_token(owners=[self.owner("job", name)])

    def owner(self, kind: str, name: str, namespace: str | None = None) -> Body:
        """Returns an owner reference to the controller of another object."""
        body = self.get(kind, name, namespace or self.namespace)
        owner = {"apiVersion": body["apiVersion"], "kind": body["kind"], "name": name, "uid": body["metadata"]["uid"]}
        return owner | {"controller": True}

    # Calls

    @property
    def servers_trust(self) -> bytes:
        """The trusted issuers of the hub's server certificate, as PEM."""
        body = self.get("configmap", "fedjobs-trust", self.namespace)
        return str(body["data"]["servers.crt"]).encode()

    @contextmanager
    def enrolment(self, hub: HubProcess | None = None, trust: bytes | None = None) -> Iterator[EnrolmentClient]:
        """Yields a client for the calls that need no certificate."""
        address = (hub or self.hub).enrolment_address
        with open_enrolment_channel(address, enrolment_name(FRONT_DOOR), trust or self.servers_trust) as channel:
            yield EnrolmentClient(channel)

    @contextmanager
    def hub_client(self, identity: Identity, hub: HubProcess | None = None) -> Iterator[HubClient]:
        """Yields a client for the calls of an agent or a worker."""
        with open_channel((hub or self.hub).address, FRONT_DOOR, identity) as channel:
            yield HubClient(channel)

    # Objects

    def apply(self, body: Body) -> None:
        self.server.kubectl.apply(yaml.safe_dump(body))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Body:
        place = ["-n", namespace] if namespace else []
        body: Body = json.loads(self.server.kubectl("get", kind, name, *place, "-o", "json"))
        return body

    def _patch(self, kind: str, name: str, change: Body, subresource: str = "", namespace: str | None = None) -> None:
        place = ["-n", namespace] if namespace else []
        part = [f"--subresource={subresource}"] if subresource else []
        self.server.kubectl("patch", kind, name, *place, *part, "--type=merge", "-p", json.dumps(change))


@contextmanager
def running_federation(
    server: ApiServer, folder: Path, *, lifetimes: Sequence[str] = (), hubs: int = 1
) -> Iterator[Federation]:
    """Runs a federation with one or more hubs in a new namespace. Stops the hubs at the end of the block.

    Args:
        server: The API server.
        folder: The folder for the hubs' logs.
        lifetimes: Further options of the hubs.
        hubs: The number of hubs to start.
    """
    install(server)
    namespace = f"hub-{uuid.uuid4().hex[:8]}"
    for name in (namespace, f"{namespace}-authority"):
        server.kubectl("create", "namespace", name)
    server.kubectl("delete", "silos", "--all")  # with Silos of an earlier federation, a hub creates no authority
    folder.mkdir(parents=True, exist_ok=True)
    federation = Federation(server, namespace, folder, lifetimes)
    with ExitStack() as stack:
        stack.callback(lambda: [hub.kill() for hub in federation.hubs])
        for _ in range(hubs):
            federation.start_hub()
        yield federation


def install(server: ApiServer) -> None:
    """Installs the resource definitions, and waits until the API is served."""
    for name in ("federatedjobs.yaml", "silos.yaml"):
        server.kubectl.apply((FOLDER / name).read_text())
    definitions = ("crd/federatedjobs.fedjobs.dev", "crd/silos.fedjobs.dev")
    server.kubectl("wait", "--for=condition=Established", "--timeout=60s", *definitions)
    wait_until("the API server serves the fedjobs API", lambda: server.kubectl.run("get", "fj,silos").returncode == 0)
