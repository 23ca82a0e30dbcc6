"""Upper limits for shards. Real shards are far below them: the largest shard in the tests has 131 KB."""

from __future__ import annotations

BYTES = 8 << 20  # of a shard. To read hostile ones takes about 50 times as much memory
SEGMENTS = 256  # of a program
LEAVES = 100_000  # of a shard, in each of its lists
COMPONENTS = 1_000  # of an example of a dataset
NODES = 200_000  # of a shard, with those of its functions
TENSORS = 2_000_000  # outputs of the nodes of a shard
FUNCTIONS = 20_000  # of a segment
DEPTH = 64  # of calls of functions
FOLLOWED = 500_000  # inputs and outputs of the nodes of functions, once for each list of types of their arguments
ORDERED = 2_000_000  # nodes that are looked at to find the canonical order of a shard
EXPANDED = 300_000  # nodes and edges of a segment after each call, branch and loop is replaced by its functions
CONSTANT_BYTES = 512 << 20  # of all constants in memory. The shard lists equal elements once
NAME = 300  # characters of the name of a leaf
STRING = 4096  # bytes of an attribute
ENTRIES = 65_536  # of an attribute that is a list, and inputs of a node
MESSAGES = 4_096  # of an attribute that is a list of shapes or functions
ATTRIBUTES = 64  # of a node
RANK = 32  # of a shape
ELEMENTS = 1 << 40  # of a shape
PARALLEL = 64  # calls of a dataset at a time
PARALLEL_DATASETS = 256  # datasets of a shard that start threads
BUFFERED = 1 << 24  # examples in a batch, or in a buffer of a dataset
