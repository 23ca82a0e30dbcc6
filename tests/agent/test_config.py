from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_agent import config
from fedjobs_agent.silo_file_reader import SiloFileReader
from fedjobs_common.errors import ErrorCode, FedjobsError


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(text)
    return path


def test_silo_and_image_are_enough(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, "{silo: hospital-a, image: worker:1}"))
    assert (loaded.config_map, loaded.gpu_timeout_seconds, loaded.data) == ("fedjobs-silo", 60, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{silo: hospital-a}", "field image is missing"),
        ("{silo: Hospital, image: x}", "field silo has the value 'Hospital'"),
        ("{silo: a, image: x, dataVolume: {}}", "unknown field dataVolume"),
        ("{silo: a, image: x, gpuTimeout: 5}", "Did you mean 'gpuTimeoutSeconds'?"),
        ("{silo: a, image: x, dialAddress: fedjobs.example.org}", "field dialAddress"),
        ("[", "is not valid YAML"),
    ],
)
def test_an_invalid_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FedjobsError) as caught:
        config.load(written(tmp_path, text))
    assert caught.value.code is ErrorCode.INVALID_SILO_FILE
    assert said in caught.value.public


def test_the_file_of_another_silo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "silo.yaml").write_text("{silo: hospital-b}")
    loaded = config.load(written(tmp_path, f"{{silo: hospital-a, image: x, siloFile: {tmp_path}/silo.yaml}}"))
    with pytest.raises(FedjobsError, match="is the file of silo hospital-b, not of hospital-a"):
        SiloFileReader(loaded)
