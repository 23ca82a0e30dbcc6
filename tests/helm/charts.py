"""The chart as helm renders it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm/fedjobs-operator"
RELEASE, NAMESPACE = "fedjobs", "fedjobs-system"
HOST = "fedjobs.example.org"
OPERATOR, HUB, FRONT_DOOR = "operator", "hub", "front-door"
"""The parts of the chart, as their labels have them."""
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]


class HelmError(Exception):
    """helm said no; its words are the message."""


@dataclass(frozen=True)
class Helm:
    """helm, as a program."""

    program: Path

    def __call__(self, *arguments: str) -> str:
        command = [str(self.program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def manifest(self, *settings: str, release: str = RELEASE, namespace: str = NAMESPACE) -> str:
        """What would be installed with these values, each as in --set; as one text.

        Raises:
            HelmError: the values are refused.
        """
        sets = [part for setting in (f"frontDoor.host={HOST}", *settings) for part in ("--set", setting)]
        return self("template", release, str(CHART), f"--namespace={namespace}", "--kube-version=1.34", *sets)

    def objects(self, *settings: str, release: str = RELEASE, namespace: str = NAMESPACE) -> list[Object]:
        """What would be installed, as objects."""
        return [
            each for each in yaml.safe_load_all(self.manifest(*settings, release=release, namespace=namespace)) if each
        ]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def part(objects: list[Object], name: str) -> list[Object]:
    """What belongs to one part of the chart."""
    return [each for each in objects if each["metadata"].get("labels", {}).get(COMPONENT) == name]


def pod(objects: list[Object], name: str = OPERATOR) -> Object:
    """The spec of the pod of one part."""
    [deployment] = of_kind(part(objects, name), "Deployment")
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def rules(objects: list[Object]) -> list[Object]:
    """The rules of all roles."""
    return [rule for each in objects if each["kind"] in ("Role", "ClusterRole") for rule in each["rules"]]
