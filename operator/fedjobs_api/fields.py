"""Base classes of the API's models: a strict one for what people write, a lenient one for what the operator wrote."""

from __future__ import annotations

from typing import Annotated

from fedjobs_common.models import Model
from fedjobs_common.programs.base import Parameters
from pydantic import ConfigDict, Field

from fedjobs_api.markers import ATOMIC_MAP


class ApiModel(Parameters):
    """A strict model that accepts camelCase names only, as the API server does: `min_silos` is an unknown field."""

    model_config = ConfigDict(populate_by_name=False)


class StatusModel(Model):
    """A part of a status. It ignores unknown fields, so that an operator can be rolled back to an older version."""

    model_config = ConfigDict(extra="ignore")


Text = Annotated[str, Field(min_length=1, max_length=253)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""The name of a ConfigMap, Secret, PersistentVolumeClaim or StorageClass."""
FileKey = Annotated[str, Field(pattern=r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=253)]
"""A key of a ConfigMap. It becomes a file name."""
Path = Annotated[str, Field(min_length=1, max_length=1024)]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=ATOMIC_MAP)]
