"""The bases of the API's models: what people write is read strictly, what the operator wrote is read leniently."""

from __future__ import annotations

from fedjobs_common.models import Model
from fedjobs_common.programs.base import Parameters
from pydantic import ConfigDict


class ApiModel(Parameters):
    """A strict model that takes camelCase names only: a cluster would not know `min_silos`, so one machine does not."""

    model_config = ConfigDict(populate_by_name=False)


class StatusModel(Model):
    """A part of a status. A field that a newer operator wrote is ignored, so that an older one can take over again."""

    model_config = ConfigDict(extra="ignore")
