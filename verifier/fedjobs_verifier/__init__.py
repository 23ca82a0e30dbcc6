"""Verifies shards with protobuf alone, before TensorFlow sees them.

The grammar is closed: what is not known is refused. `verify` reads a shard and builds it again from what it understood.
Start reading in `shards`, and go on with `segments`, `functions`, `nodes` and `attributes`. What is allowed is in
`allowed`, `signatures`, `rules` and `limits`. What datasets and resources contain is followed in `inference`, by the
rules in `content_rules`, `dataset_rules` and `resource_rules`.
"""

from fedjobs_verifier.allowed import ALLOWED_OPERATIONS
from fedjobs_verifier.refusals import OperationRefusedError
from fedjobs_verifier.shards import Verified, verify, verify_for_some_silo

__all__ = ["ALLOWED_OPERATIONS", "OperationRefusedError", "Verified", "verify", "verify_for_some_silo"]
