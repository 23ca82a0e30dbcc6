"""Values: few, documented in values.yaml, and unknown ones are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.helm.charts import CHART, Helm, HelmError

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_chart_is_well_formed(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_one_value_is_required_and_enough(helm: Helm) -> None:
    template = ("template", "fedjobs", str(CHART), "--kube-version=1.34")
    with pytest.raises(HelmError, match=re.escape("frontDoor.host is not set")):
        helm(*template)
    assert helm(*template, "--set", "frontDoor.host=fedjobs.example.org")


@pytest.mark.parametrize("name", VALUES)
def test_each_value_is_documented_in_place(name: str) -> None:
    assert re.search(rf"^#.*\n{name}:", (CHART / "values.yaml").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("replicas=3", "additional properties 'replicas' not allowed"),
        ("image.name=here", "at '/image': additional properties 'name' not allowed"),
        ("crds.install=true", "at '/crds': additional properties 'install' not allowed"),
        ("metrics.enabled=true", "at '/metrics': additional properties 'enabled' not allowed"),
        ("operator.replicas=2", "at '/operator': additional properties 'replicas' not allowed"),
        ("operator.resources.limit.cpu=1", "at '/operator/resources': additional properties 'limit' not allowed"),
        ("operator.resources.limits.gpu=1", "at '/operator/resources/limits': additional properties 'gpu' not"),
        ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("image.repository=", "at '/image/repository'"),
        ("watchNamespaces=team-a", "at '/watchNamespaces': got string, want array"),
        ("watchNamespaces={Team A}", "at '/watchNamespaces/0'"),
        ("watchNamespaces={a,a}", "at '/watchNamespaces': items at 0 and 1 are equal"),
        ("crds.keep=yes", "at '/crds/keep': got string, want boolean"),
        (
            "operator.podDisruptionBudget.enabled=1",
            "at '/operator/podDisruptionBudget/enabled': got number, want boolean",
        ),
        ("operator=null", "missing property 'operator'"),
    ],
)
def test_invalid_values_are_refused_and_named(helm: Helm, setting: str, words: str) -> None:
    with pytest.raises(HelmError, match=re.escape(words)):
        helm.manifest(setting)


def test_the_chart_can_be_a_subchart(helm: Helm) -> None:
    assert helm.objects("global.imageRegistry=here")
