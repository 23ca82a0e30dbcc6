"""The part of `SessionContract` about authentication and limits on a coordinator's port."""

from __future__ import annotations

import datetime

import grpc
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.certificates import Issuer, Purpose
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity, RunAuthority, agent_uri, server_name, worker_uri
from fedjobs_protocol.sessions.session_client import SessionClient

from tests.cluster.readiness import wait_until

from .coordinators import JOB, SILO, Coordinator
from .session_steps import JOIN, OTHER_SILO, VALUE, WORK, check_unavailable, join, join_and_pull
from .strangers import silent_connections


class TrustContract:
    def test_a_certificate_of_another_run_is_refused(self, coordinator: Coordinator) -> None:
        foreign = RunAuthority.create().issue_silo(JOB, SILO)
        check_unavailable(coordinator.client(identity=foreign))
        trusting = Identity(foreign.certificate, foreign.key, coordinator.identity().trust)
        check_unavailable(coordinator.client(identity=trusting))

    def test_a_certificate_for_another_job_is_refused(self, coordinator: Coordinator) -> None:
        other = "11111111-2222-4333-8444-555555555555"
        with pytest.raises(FedjobsError) as raised:
            coordinator.client(identity=coordinator.identity(job=other)).join(JOIN)
        assert raised.value.code is ErrorCode.INVALID_CERTIFICATE
        assert other in raised.value.public
        assert JOB in raised.value.public

    def test_an_expired_certificate_is_refused_on_existing_and_new_connections(self, coordinator: Coordinator) -> None:
        """TLS checks the certificate once. A connection may live longer than its certificate."""
        short = coordinator.authority.issue_silo(JOB, SILO, datetime.timedelta(seconds=8))
        client, session_id = join(coordinator, coordinator.client(identity=short))

        def refused() -> ErrorCode | None:
            try:
                client.heartbeat(session_id)
            except FedjobsError as error:
                return error.code
            return None

        wait_until("the call is refused", lambda: refused() is ErrorCode.CERTIFICATE_EXPIRED, seconds=30)
        check_unavailable(coordinator.client(identity=short))
        renewed = coordinator.client()
        assert not renewed.heartbeat(session_id).cancel

    def test_a_certificate_signed_by_a_silo_is_refused(self, coordinator: Coordinator) -> None:
        own = coordinator.identity()
        issuer = Issuer(own.certificate, own.key, Purpose.CLIENT)
        certificate, key = issuer.issue(OTHER_SILO, uri=worker_uri(JOB, OTHER_SILO))
        check_unavailable(coordinator.client(identity=Identity(certificate + own.certificate, key, own.trust)))

    def test_a_coordinators_certificate_is_not_accepted_as_a_silos(self, coordinator: Coordinator) -> None:
        other = coordinator.authority.issue_coordinator(JOB, server_name(JOB))
        check_unavailable(
            coordinator.client(identity=Identity(other.certificate, other.key, coordinator.identity().trust))
        )

    def test_certificates_of_agents_and_the_operator_are_not_accepted_as_a_workers(
        self, coordinator: Coordinator
    ) -> None:
        certificate, key = coordinator.authority.silos.issue(SILO, uri=agent_uri(SILO))
        agent = Identity(certificate, key, coordinator.identity().trust)
        for identity in (agent, coordinator.authority.issue_operator()):
            with pytest.raises(FedjobsError) as raised:
                coordinator.client(identity=identity).join(JOIN)
            assert raised.value.code is ErrorCode.INVALID_CERTIFICATE

    def test_a_message_that_is_too_large_is_refused_and_the_next_call_is_answered(
        self, coordinator: Coordinator
    ) -> None:
        unlimited = (("grpc.max_send_message_length", -1),)
        client, session_id = join(coordinator)
        with (
            open_channel(coordinator.address, coordinator.name, coordinator.identity(), unlimited) as channel,
            pytest.raises(FedjobsError, match="RESOURCE_EXHAUSTED"),
        ):
            SessionClient(channel).heartbeat(session_id, state="x" * (17 << 20))
        assert not client.heartbeat(session_id).cancel

    def test_500_idle_connections_do_not_disturb_a_session_and_are_closed(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        with silent_connections(coordinator.address, 500) as connections:
            client.put_blob(session_id, WORK, VALUE)
            assert not client.heartbeat(session_id, WORK).cancel
            for connection in connections[:2]:
                assert connection.recv(1) == b""
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE

    def test_a_silo_without_a_certificate_is_refused(self, coordinator: Coordinator) -> None:
        credentials = grpc.ssl_channel_credentials(coordinator.identity().trust)
        options = [("grpc.ssl_target_name_override", server_name(JOB))]
        with grpc.secure_channel(coordinator.address, credentials, options=options) as channel:
            check_unavailable(SessionClient(channel))

    def test_a_silo_in_plaintext_is_refused(self, coordinator: Coordinator) -> None:
        with grpc.insecure_channel(coordinator.address) as channel:
            check_unavailable(SessionClient(channel))

    def test_a_silo_refuses_a_coordinator_of_another_name(self, coordinator: Coordinator) -> None:
        other = server_name("11111111-2222-4333-8444-555555555555")
        with open_channel(coordinator.address, other, coordinator.identity()) as channel:
            check_unavailable(SessionClient(channel))
