"""The `FederatedJob` API: from the YAML manifest to the resolved job that the coordinator reads.

The same file runs on one machine and on a cluster. Reading it needs neither Kubernetes nor TensorFlow.
"""

from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.job_files import load, parse
from fedjobs_api.resolution import datasets, resolve

__all__ = ["FederatedJob", "datasets", "load", "parse", "resolve"]
