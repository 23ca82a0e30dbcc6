"""The base of what people write as Kubernetes objects."""

from __future__ import annotations

from fedjobs_protocol.programs.base import Parameters
from pydantic import ConfigDict


class ApiModel(Parameters):
    """A strict model that takes camelCase names only: a cluster would not know `min_silos`, so one machine does not."""

    model_config = ConfigDict(populate_by_name=False)
