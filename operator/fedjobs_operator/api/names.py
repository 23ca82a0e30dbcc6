"""Texts that name something, as Kubernetes bounds them. The patterns mean the same to pydantic and to Go."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedjobs_operator.api.markers import ATOMIC_MAP

Text = Annotated[str, Field(min_length=1, max_length=253)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""Of a ConfigMap, a Secret, a claim, a storage class."""
FileKey = Annotated[str, Field(pattern=r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=253)]
"""A key of a ConfigMap, which becomes the name of a file."""
Path = Annotated[str, Field(min_length=1, max_length=1024)]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=ATOMIC_MAP)]
