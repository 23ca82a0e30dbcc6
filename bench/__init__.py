"""Benchmarks: a round of this system compared with the gRPC limit and TFF's stock runtime, and other measurements."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # must be set before TensorFlow is imported
