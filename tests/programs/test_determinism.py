import json
import os
import subprocess
import sys

import pytest

_PLANS = """
import hashlib, json
import tensorflow as tf
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.shards import parse
from fedjobs_coordinator.programs import evaluation, models, training
from fedjobs_common.programs import parse_parameters
from tests.programs.jobs import fedavg

def seeds(shard):
    found = set()
    for segment in [s for p in (shard.zero, shard.work, shard.accumulate) for s in p.segments]:
        graph = tf.compat.v1.GraphDef.FromString(segment.graph_def)
        for node in [*graph.node, *(n for f in graph.library.function for n in f.node_def)]:
            found |= {(node.op, key, node.attr[key].i) for key in ("seed", "seed2") if key in node.attr}
    return sorted(found)

result = []
for changes in ({"model__keras": {"input": [5], "layers": [{"Embedding": {"inputDim": 9, "outputDim": 3}},
                     {"LSTM": {"units": 4}}, {"Dropout": {"rate": 0.5}}, {"Dense": {"units": 3}}]}},
                {"model": {"entrypoint": "tests.programs.entry_models:keras_model",
                           "loss": "sparse_categorical_crossentropy"}}):
    parameters = parse_parameters("fedavg", fedavg(**changes))
    model = models.build(parameters.model, parameters.seed)
    weights = hashlib.sha256(b"".join(w.tobytes() for w in model.training.initial_weights[0])).hexdigest()
    stages = [*plan(training.build(model, parameters).next).stages, *plan(evaluation.build(model, 8).evaluate).stages]
    assert len(stages) == 2
    result.append([weights, [[stage.digest, seeds(parse(stage.shard))] for stage in stages]])
print(json.dumps(result))
"""


@pytest.mark.processes
def test_another_process_has_the_same_weights_and_the_same_shards():
    def started(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.Popen([sys.executable, "-c", _PLANS], stdout=subprocess.PIPE, text=True, env=environment)

    processes = [started("1"), started("2")]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    assert first == second
    assert not [seed for _, stages in first for _, seeds in stages for seed in seeds]
