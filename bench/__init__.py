"""What a round costs: this system, the bare gRPC limit and TFF's stock runtime, measured side by side."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported, or it is too late
