"""The firewall of a cluster. It accepts responses to the cluster's connections, and drops all other inbound packets.

It filters and counts the packets at the uplink, for the node itself (INPUT) and for the networks behind it (FORWARD).
The cluster can connect to one address and port only. This machine, which tests use to control the cluster, can connect
to one port of the cluster. Of its packets, only dropped ones are counted.
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

# A packet that one chain accepts still traverses chains of later priorities. `let_in` counts what passed the filter.
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
        answers: Inbound packets of connections from inside. They were accepted.
        turned_away: Inbound packets that tried to open a connection. They were dropped.
        let_in: Inbound packets that tried to open a connection and passed the filter. There are none if it works.
        sent: Outbound packets to the permitted address.
        held_back: Outbound packets to other addresses. They were dropped.
    """

    answers: int
    turned_away: int
    let_in: int
    sent: int
    held_back: int


@dataclass(frozen=True)
class Firewall:
    """The firewall of one network namespace.

    Attributes:
        inside: Returns a command that runs the given command in the namespace.
        uplink: The device for inbound and outbound packets.
    """

    inside: Callable[..., list[str]]
    uplink: str

    def set_up(self, *, address: str, port: int, machines: Sequence[str], machine_port: int) -> None:
        """Sets up the firewall, or sets it up again with all counters at zero.

        Args:
            address: The only address to which the cluster can connect.
            port: The only port at this address.
            machines: The source addresses of this machine's connections to the cluster.
            machine_port: The only port of the cluster to which this machine can connect.

        Raises:
            ClusterError: The kernel refused the rules.
        """
        values = {"table": TABLE, "uplink": self.uplink, "address": address, "port": port}
        machine = ", ".join(machines)
        ways = {
            "from_machine": f'iifname "{self.uplink}" ip saddr {{ {machine} }} tcp dport {machine_port}',
            "to_machine": f'oifname "{self.uplink}" ip daddr {{ {machine} }} tcp sport {machine_port}',
        }
        self._nft("-f", "-", stdin=_RULES.substitute(values, machine=machine, **ways))

    def counted(self) -> Counted:
        """Returns the counted packets."""
        return Counted(**{counter["name"]: counter["packets"] for counter in self._counters()})

    def bytes_seen(self) -> int:
        """Returns the size of all counted packets, including dropped ones."""
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
