"""The dashboard and the alerts use metrics that the programs export."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from fedjobs_common.jobs.statuses import Phase, SiloState, Status
from fedjobs_coordinator.status.prometheus_metrics import CoordinatorMetrics
from fedjobs_hub import metrics as hub_metrics
from fedjobs_operator import metrics as operator_metrics
from prometheus_client import REGISTRY, CollectorRegistry

from tests.helm.charts import CHART, Helm, of_kind

DASHBOARD: dict[str, Any] = json.loads((CHART / "files/dashboard.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((CHART / "files/alerts.yaml").read_text())


def queries() -> list[str]:
    """Returns all queries to Prometheus."""
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    asked = [variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable]
    return [*shown, *asked, *(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])]


def measured() -> set[str]:
    """Returns the names of all metrics in the federation's Prometheus. A silo's own metrics stay in the silo."""
    assert operator_metrics.QUEUE_DEPTH
    nothing = Status(job_name="j", job_uid="u", phase=Phase.RUNNING, generation=1)
    registries: list[CollectorRegistry] = [
        REGISTRY,
        CoordinatorMetrics(lambda: nothing).registry,
        hub_metrics.REGISTRY,
    ]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + suffix
        for registry in registries
        for family in registry.collect()
        for suffix in suffixes.get(family.type, ())
    }


@pytest.mark.parametrize("query", queries())
def test_every_queried_metric_exists(query: str) -> None:
    assert set(re.findall(r"\bfedjobs_\w+", query)) <= measured()


@pytest.mark.parametrize("query", [query for query in queries() if "state=" in query])
def test_the_queried_states_of_silos_exist(query: str) -> None:
    for states in re.findall(r'state=~?"([^"]+)"', query):
        assert set(states.split("|")) <= set(SiloState)


def test_the_dashboard_has_every_metric_except_those_of_calls() -> None:
    asked = {name for query in queries() for name in re.findall(r"\bfedjobs_\w+", query)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in measured() if name.startswith("fedjobs_")}
    assert families - {re.sub(r"_bucket$", "", name) for name in asked} == {"fedjobs_operator_api_requests_total"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_chart_renders_them_unchanged(helm: Helm) -> None:
    objects = helm.objects("metrics.dashboard.enabled=true", "metrics.prometheusRule.enabled=true")
    [rule] = of_kind(objects, "PrometheusRule")
    [config] = [each for each in of_kind(objects, "ConfigMap") if "fedjobs.json" in each["data"]]
    assert json.loads(config["data"]["fedjobs.json"]) == DASHBOARD
    assert rule["spec"] == ALERTS


def test_prometheus_understands_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "rules", CHART / "files/alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
