"""The configuration of CoreDNS in a kind cluster for external names."""

from __future__ import annotations

import re

from tests.cluster import names


def test_each_zone_has_a_block_with_its_address_and_the_cluster_keeps_its_names() -> None:
    told = names.corefile({"fedjobs.test": "172.18.0.2"})
    blocks = re.findall(r"^(\S.*) \{$", told, re.MULTILINE)
    assert blocks == ["cluster.local in-addr.arpa ip6.arpa", ".", "fedjobs.test"]
    assert 'answer "{{ .Name }} 1 IN A 172.18.0.2"' in told


def test_no_queries_are_forwarded() -> None:
    assert "forward" not in names.corefile({})
    assert blocks_by_zone(names.corefile({}))["."].count("rcode NXDOMAIN") == 1


def test_the_probes_of_coredns_work() -> None:
    everywhere = names.corefile({"fedjobs.test": "172.18.0.2"})
    assert re.findall(r"^    (?:health|ready)\b", everywhere, re.MULTILINE) == ["    health", "    ready"]


def blocks_by_zone(corefile: str) -> dict[str, str]:
    """Returns the blocks of a Corefile, by their zones."""
    return dict(re.findall(r"^(\S[^\n]*) \{\n(.*?)^\}\n", corefile, re.MULTILINE | re.DOTALL))
