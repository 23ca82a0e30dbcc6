"""The API that people write: a `FederatedJob`, from YAML to the resolved job that a coordinator gets.

The same file runs on one machine and on a cluster, so reading it needs neither Kubernetes nor TensorFlow.
"""

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.api.loading import load, parse
from fedjobs_operator.api.resolving import datasets, resolve

__all__ = ["FederatedJob", "datasets", "load", "parse", "resolve"]
