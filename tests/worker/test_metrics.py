from __future__ import annotations

from fedjobs_worker.metrics import WorkerMetrics
from prometheus_client import generate_latest


def test_metrics_have_all_labels_from_the_start() -> None:
    metrics = WorkerMetrics()
    metrics.worked("result", 0.5)
    metrics.transferred(down=7)
    text = generate_latest(metrics.registry).decode()
    assert 'fedjobs_worker_work_items_total{outcome="result"} 1.0' in text
    assert 'fedjobs_worker_work_items_total{outcome="refusal"} 0.0' in text
    assert 'fedjobs_worker_work_item_duration_seconds_bucket{le="1.0"} 1.0' in text
    assert 'fedjobs_worker_bytes_total{direction="down"} 7.0' in text
    assert 'fedjobs_worker_bytes_total{direction="up"} 0.0' in text
