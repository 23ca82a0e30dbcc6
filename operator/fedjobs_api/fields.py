"""The bases of the API's models: what people write is read strictly, what the operator wrote is read leniently."""

from __future__ import annotations

from typing import Annotated

from fedjobs_common.models import Model
from fedjobs_common.programs.base import Parameters
from pydantic import ConfigDict, Field

from fedjobs_api.markers import ATOMIC_MAP


class ApiModel(Parameters):
    """A strict model that takes camelCase names only: a cluster would not know `min_silos`, so one machine does not."""

    model_config = ConfigDict(populate_by_name=False)


class StatusModel(Model):
    """A part of a status. A field that a newer operator wrote is ignored, so that an older one can take over again."""

    model_config = ConfigDict(extra="ignore")


Text = Annotated[str, Field(min_length=1, max_length=253)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""Of a ConfigMap, a Secret, a claim, a storage class."""
FileKey = Annotated[str, Field(pattern=r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=253)]
"""A key of a ConfigMap, which becomes the name of a file."""
Path = Annotated[str, Field(min_length=1, max_length=1024)]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=ATOMIC_MAP)]
