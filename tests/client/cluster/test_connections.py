from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fedjobs.cluster.connections import Target, connect
from fedjobs_common.errors import ErrorCode, FedjobsError


def a_kubeconfig(path: Path, context: str, namespace: str | None = None, *, current: bool = True) -> Path:
    about = {"cluster": context, "user": context} | ({"namespace": namespace} if namespace else {})
    config = {
        "clusters": [{"name": context, "cluster": {"server": f"https://{context}.example:6443"}}],
        "users": [{"name": context, "user": {"token": "secret"}}],
        "contexts": [{"name": context, "context": about}],
        "current-context": context if current else "",
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def refused(target: Target) -> FedjobsError:
    with pytest.raises(FedjobsError) as caught:
        connect(target)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    return caught.value


def test_the_namespace_comes_from_the_option_then_the_context_then_the_default(tmp_path: Path) -> None:
    file = a_kubeconfig(tmp_path / "a", "eu", "trials")
    assert connect(Target(file)).namespace == "trials"
    assert connect(Target(file, namespace="mine")).namespace == "mine"
    assert connect(Target(a_kubeconfig(tmp_path / "b", "us"))).namespace == "default"


def test_kubeconfig_of_the_environment_is_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = a_kubeconfig(tmp_path / "a", "eu", "trials"), a_kubeconfig(tmp_path / "b", "us")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{a}:{b}:")
    assert connect(Target()).client.configuration.host == "https://eu.example:6443"
    assert connect(Target()).namespace == "trials"
    assert connect(Target(context="us")).client.configuration.host == "https://us.example:6443"


def test_without_a_current_context_an_option_is_required(tmp_path: Path) -> None:
    file = a_kubeconfig(tmp_path / "a", "eu", current=False)
    assert refused(Target(file)).message == "The kubeconfig has no current context."
    assert connect(Target(file, context="eu")).namespace == "default"


def test_the_file_of_the_home_folder_is_found(home: Path) -> None:
    (home / ".kube").mkdir()
    a_kubeconfig(home / ".kube/config", "eu")
    assert connect(Target()).client.configuration.host == "https://eu.example:6443"


def test_an_unknown_context_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    error = refused(Target(a_kubeconfig(tmp_path / "a", "eu"), context="us"))
    assert (error.message, error.remedy) == (
        "The kubeconfig has no context 'us'.",
        "Choose one of its contexts with --context: eu.",
    )


def test_a_missing_kubeconfig_is_reported_with_the_searched_paths(tmp_path: Path) -> None:
    assert "~/.kube/config does not exist" in refused(Target()).message
    assert str(tmp_path / "none") in refused(Target(tmp_path / "none")).message


@pytest.mark.parametrize(
    "content",
    ["- no mapping", "contexts: 7", "{", "contexts: [{name: eu, context: {cluster: eu}}]\ncurrent-context: eu"],
)
def test_an_invalid_kubeconfig_causes_no_stack_trace(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad").write_text(content)
    assert "Cannot use the kubeconfig" in refused(Target(tmp_path / "bad")).message


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("kubernetes"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    for name in [name for name in sys.modules if name.startswith("kubernetes")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(Target()).remedy == "Install it with: pip install 'fedjobs[cluster]'"


def test_a_hint_repeats_the_given_options(tmp_path: Path) -> None:
    assert Target(None, "eu", "trials").options() == " --context eu --namespace trials"
    assert not Target()
