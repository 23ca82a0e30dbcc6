"""The firewall of a cluster that lets nothing in: what answers the cluster may come, every other packet is dropped.

It stands at the uplink, for the node itself (INPUT) and for what is behind it (FORWARD), and counts. What is inside
gets out to one address and port, and nowhere else. On the way to this machine, by which tests hold the cluster in
their hands, only this machine may begin anything, and nothing is counted but what is dropped.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from tests.cluster import requirements
from tests.cluster.errors import ClusterError

TABLE = "fedjobs_uplink"

# What one chain accepts still goes through those of a later priority: `let_in` counts what got past the filter.
_RULES = Template("""
table inet $table {}
delete table inet $table
table inet $table {
    counter answers {}
    counter turned_away {}
    counter let_in {}
    counter sent {}
    counter held_back {}

    chain arriving {
        ct state established,related counter name answers accept
        counter name turned_away drop
    }
    chain leaving {
        ct state established,related counter name sent accept
        ip daddr $address tcp dport $port counter name sent accept
        counter name held_back drop
    }
    chain from_machine {
        ct state established,related accept
        ip saddr { $machine } accept
        counter name turned_away drop
    }
    chain to_machine {
        ct state established,related accept
        counter name held_back drop
    }

    chain input {
        type filter hook input priority filter; policy accept;
        $from_machine jump from_machine
        iifname "$uplink" jump arriving
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        $from_machine jump from_machine
        $to_machine jump to_machine
        iifname "$uplink" jump arriving
        oifname "$uplink" jump leaving
    }
    chain output {
        type filter hook output priority filter; policy accept;
        $to_machine jump to_machine
        oifname "$uplink" jump leaving
    }
    chain came_in {
        type filter hook input priority filter + 10; policy accept;
        $from_machine accept
        iifname "$uplink" ct state new,invalid,untracked counter name let_in
    }
    chain came_through {
        type filter hook forward priority filter + 10; policy accept;
        $from_machine accept
        iifname "$uplink" ct state new,invalid,untracked counter name let_in
    }
    chain translated {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "$uplink" masquerade
    }
}
""")


@dataclass(frozen=True)
class Counted:
    """Packets since the firewall was set up.

    Attributes:
        answers: came in, as answers to what was begun inside.
        turned_away: would have begun something from outside, and were dropped.
        let_in: would have begun something from outside, and got past the filter: none, or the firewall is broken.
        sent: went out to the one place.
        held_back: would have gone anywhere else, and were dropped.
    """

    answers: int
    turned_away: int
    let_in: int
    sent: int
    held_back: int


@dataclass(frozen=True)
class Machine:
    """This machine's way to the cluster.

    Attributes:
        addresses: those that it calls from.
        arriving: what matches packets from it, in the words of nft.
        leaving: what matches packets to it.
    """

    addresses: Sequence[str]
    arriving: str
    leaving: str


def by_link(device: str, address: str) -> Machine:
    """This machine, where it has a link of its own to the cluster."""
    return Machine([address], f'iifname "{device}"', f'oifname "{device}"')


def by_port(uplink: str, addresses: Sequence[str], port: int) -> Machine:
    """This machine, where it calls one port over the uplink, as everybody else would."""
    listed = ", ".join(addresses)
    return Machine(
        addresses,
        f'iifname "{uplink}" ip saddr {{ {listed} }} tcp dport {port}',
        f'oifname "{uplink}" ip daddr {{ {listed} }} tcp sport {port}',
    )


@dataclass(frozen=True)
class Firewall:
    """Of one network namespace.

    Attributes:
        inside: makes a command one that runs in the namespace.
        uplink: the device by which packets come and go.
    """

    inside: Callable[..., list[str]]
    uplink: str

    def set_up(self, *, address: str, port: int, machine: Machine) -> None:
        """Begin, or begin anew with all counters at zero.

        Args:
            address: the one place that may be reached.
            port: the one port there.
            machine: how this machine reaches the cluster.

        Raises:
            ClusterError: the kernel refused.
        """
        values = {"table": TABLE, "uplink": self.uplink, "address": address, "port": port}
        ways = {"from_machine": machine.arriving, "to_machine": machine.leaving}
        self._nft("-f", "-", stdin=_RULES.substitute(values, machine=", ".join(machine.addresses), **ways))

    def counted(self) -> Counted:
        """The packets that it has counted."""
        return Counted(**{counter["name"]: counter["packets"] for counter in self._counters()})

    def bytes_seen(self) -> int:
        """Of all packets that came or went, or would have."""
        return sum(counter["bytes"] for counter in self._counters())

    def _counters(self) -> list[dict[str, Any]]:
        listed = json.loads(self._nft("--json", "list", "counters", "table", "inet", TABLE))["nftables"]
        return [entry["counter"] for entry in listed if "counter" in entry]

    def _nft(self, *arguments: str, stdin: str = "") -> str:
        command = self.inside(requirements.program("nft"), *arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout
