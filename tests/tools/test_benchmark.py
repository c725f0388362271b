"""The benchmark: what it prints, that both ways hold the same recording, and that it can make one itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from raw_corpus import make_raw_recording

from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import DATASETS
from emage.config import DataConfig


@pytest.fixture
def benchmark(monkeypatch):
    """The tool as its script sees itself, with its own folder on the path."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "tools")
    import benchmark

    return benchmark


@pytest.fixture
def raw_root(tmp_path) -> Path:
    make_raw_recording(tmp_path / "raw", "2_scott_0_1_1", 6.0)
    return tmp_path / "raw"


def test_both_ways_are_measured_in_one_json_object(benchmark, raw_root, capsys):
    assert benchmark.main(["data", f"data.root={raw_root}", "--recordings", "2", "--seconds", "0.05"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["recordings"] == 2
    assert report["recorded_minutes"] == pytest.approx(0.2)
    for way in ("ours", "reference"):
        assert report[way]["num_windows"] == 2 * 6  # of 90 frames at stride 10
        assert report[way]["recorded_minutes"] == pytest.approx(0.2)
        assert all(value > 0 for value in report[way].values())
    ours, theirs = report["ours"], report["reference"]
    assert report["reference_over_ours"]["megabytes_per_minute"] == pytest.approx(
        theirs["megabytes_per_minute"] / ours["megabytes_per_minute"], abs=0.01
    )
    assert ours["megabytes_per_minute"] * 3 < theirs["megabytes_per_minute"]


def test_the_references_windows_are_those_of_the_recording(benchmark, raw_root, tmp_path):
    reference = benchmark.reference
    config = DataConfig(root=str(raw_root), cache_dir=str(tmp_path / "caches"))
    (recording,) = DATASETS["raw"].find_recordings(config)
    reference.prepare_recording(recording, tmp_path / "text")
    count, minutes = reference.build_windows([recording], tmp_path / "text", tmp_path / "windows")
    windows = reference.PickledWindows(tmp_path / "windows", count)
    assert (count, len(windows), minutes) == (6, 6, pytest.approx(0.1))
    motion, waveform, face, *labels, speaker = windows[3]
    assert [value.shape for value in (motion, waveform, face, speaker)] == [(34, 141), (36266,), (34, 51), (1,)]
    assert [value.shape for value in labels] == [(34,)] * 3
    build_cache(config, 1, progress=False)
    cache = MotionCache.open(config)
    np.testing.assert_array_equal(waveform, cache.read(recording.id, "waveform")[32000 : 32000 + 36266])
    # It drops samples where we filter first; slow movements come out alike.
    columns = [benchmark.reference.get_layout("beat_full").columns.index("Spine.Xrotation")]
    np.testing.assert_allclose(motion[5:-5, :1], cache.read(recording.id, "motion")[35:59, columns], atol=0.6)


def test_the_recording_that_it_makes_can_be_used(benchmark, tmp_path):
    root = benchmark.make_recording(tmp_path / "made", 4.0)
    report = build_cache(DataConfig(root=str(root), cache_dir=str(tmp_path / "caches")), 1, progress=False)
    assert (report.used, report.rejects) == (["1_made_0_1_1"], [])
    cache = MotionCache.open(DataConfig(cache_dir=str(tmp_path / "caches")))
    assert cache.num_frames("1_made_0_1_1") == 60
    assert (cache.read("1_made_0_1_1", "word_index") >= 0).any()


def test_a_corpus_without_whole_recordings_is_an_error(benchmark, tmp_path, capsys):
    make_raw_recording(tmp_path / "raw", seconds=1.0, without=("csv",))
    assert benchmark.main(["data", f"data.root={tmp_path / 'raw'}"]) == 1
    assert "no recording has all six files" in capsys.readouterr().err
    assert benchmark.main(["data", "data.root=nowhere"]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert benchmark.main(["data", f"data.root={tmp_path / 'raw'}", "data.format=beat_cache"]) == 1
    assert "the benchmark reads the raw layout" in capsys.readouterr().err


def test_the_corpora_of_faces_are_made_cached_and_mixed(benchmark, monkeypatch, capsys):
    import benchmark_corpora

    monkeypatch.setattr(benchmark_corpora, "SIZES", {"emoca": (2, 2.0), "singinghead": (2, 8.0), "beat2": (2, 3.0)})
    assert benchmark.main(["corpora", "--seconds", "0.05"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["cache"]) == list(report["mixture"]) == ["emoca", "singinghead", "beat2"]
    assert sum(report["mixture"].values()) == pytest.approx(1, abs=0.01)
    assert all(row["sequences"] == 2 and row["sequences_per_second"] > 0 for row in report["cache"].values())
    assert report["mixed_windows_per_second"] > 0
