"""The measurement of the metrics runs, counts what it says, and says what it used."""

from pathlib import Path

import pytest


@pytest.fixture
def benchmark_metrics(monkeypatch):
    """The module as tools/benchmark.py sees it."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "tools")
    import benchmark_metrics

    return benchmark_metrics


@pytest.mark.parametrize("network", [True, False])
def test_every_metric_is_timed(benchmark_metrics, network):
    report = benchmark_metrics.measure_metrics(minutes=0.2, recording_s=6.0, network=network)
    assert (report["recordings"], report["motion_minutes"], report["fps"]) == (2, 0.2, 15.0)
    assert report["num_windows"] == 2 * 6  # of 90 frames at stride 10
    assert report["num_onsets"] > 0
    seconds = report["seconds"]
    timed = {"beat_align", "kinematics", "fgd_windows"} | ({"fgd_network"} if network else set())
    assert set(seconds) == {
        f"{kind}{name}{part}" for name in timed for part in ("", "_intervals") for kind in ("", "cpu: ")
    }
    assert 0 < report["seconds_fgd_bc_kinematics"] <= report["seconds_with_both_fgd"] + 0.01
    assert report["peak_memory_mb"] > 50
