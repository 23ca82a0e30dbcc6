"""Renders the chart with helm."""

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
"""The components of the chart, as in their labels."""
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]


class HelmError(Exception):
    """helm failed. The message is its error output."""


@dataclass(frozen=True)
class Helm:
    """The program helm."""

    program: Path

    def __call__(self, *arguments: str) -> str:
        command = [str(self.program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def manifest(self, *settings: str, release: str = RELEASE, namespace: str = NAMESPACE) -> str:
        """Returns the rendered manifests for these values, each as in --set, as one string.

        Raises:
            HelmError: helm refuses the values.
        """
        sets = [part for setting in (f"frontDoor.host={HOST}", *settings) for part in ("--set", setting)]
        return self("template", release, str(CHART), f"--namespace={namespace}", "--kube-version=1.34", *sets)

    def objects(self, *settings: str, release: str = RELEASE, namespace: str = NAMESPACE) -> list[Object]:
        """Returns the rendered manifests as objects."""
        return [
            each for each in yaml.safe_load_all(self.manifest(*settings, release=release, namespace=namespace)) if each
        ]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def part(objects: list[Object], name: str) -> list[Object]:
    """Returns the objects of one component of the chart."""
    return [each for each in objects if each["metadata"].get("labels", {}).get(COMPONENT) == name]


def pod(objects: list[Object], name: str = OPERATOR) -> Object:
    """Returns the pod spec of one component."""
    [deployment] = of_kind(part(objects, name), "Deployment")
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def rules(objects: list[Object]) -> list[Object]:
    """Returns the rules of all roles."""
    return [rule for each in objects if each["kind"] in ("Role", "ClusterRole") for rule in each["rules"]]
