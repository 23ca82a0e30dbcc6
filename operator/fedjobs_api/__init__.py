"""The API that people write: a `FederatedJob`, from YAML to the resolved job that a coordinator gets.

The same file runs on one machine and on a cluster, so reading it needs neither Kubernetes nor TensorFlow.
"""

from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.job_files import load, parse
from fedjobs_api.resolution import datasets, resolve

__all__ = ["FederatedJob", "datasets", "load", "parse", "resolve"]
