import pytest
from fedjobs.environments import environment

CALLER = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "AWS_SECRET_ACCESS_KEY": "the silo's",
    "HTTPS_PROXY": "http://proxy:3128",
    "SOME_TOKEN": "nobody's business",
}
ROLES = ["coordinator", "worker", "runner-host"]


@pytest.mark.parametrize("role", ROLES)
def test_other_variables_are_not_inherited(role: str) -> None:
    found = environment(CALLER, role)
    assert "SOME_TOKEN" not in found
    assert (found["PATH"], found["LC_ALL"]) == ("/bin", "C.UTF-8")


def test_credentials_for_data_go_to_the_silos_workers_only() -> None:
    having = [role for role in ROLES if "AWS_SECRET_ACCESS_KEY" in environment(CALLER, role)]
    assert having == ["worker"]
    assert environment(CALLER, "worker")["HTTPS_PROXY"] == "http://proxy:3128"


def test_only_runners_see_a_gpu_and_only_if_it_was_requested() -> None:
    assert {environment(CALLER, role)["CUDA_VISIBLE_DEVICES"] for role in ROLES} == {"-1"}
    asked = CALLER | {"CUDA_VISIBLE_DEVICES": "0"}
    assert [environment(asked, role)["CUDA_VISIBLE_DEVICES"] for role in ROLES] == ["-1", "-1", "0"]


def test_tensorflow_is_quiet_unless_the_caller_says_otherwise() -> None:
    assert environment({}, "coordinator")["TF_CPP_MIN_LOG_LEVEL"] == "2"
    assert environment({"TF_CPP_MIN_LOG_LEVEL": "0"}, "coordinator")["TF_CPP_MIN_LOG_LEVEL"] == "0"
