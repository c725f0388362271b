"""The cache: what goes in comes out, and it belongs to the settings that shaped it."""

import json
import logging
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cache_contents import contents, run_forked
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from raw_corpus import make_raw_recording

from dataloaders import cache_build, cache_index, fingerprint
from dataloaders.cache import MotionCache, build_cache
from dataloaders.cache_format import STREAMS, _as_pcm16
from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from emage.config import DataConfig, SplitsConfig
from emage.errors import InputError

IDS = ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]


def build(config: DataConfig) -> cache_build.BuildReport:
    return build_cache(config, 1, progress=False)


# --- what goes in comes out ---


def test_streams_and_facts_come_back_as_the_clip_had_them(built):
    cache = MotionCache.open(built)
    assert cache.recordings() == IDS
    for recording in DATASETS["raw"].find_recordings(built):
        clip = make_clip(DATASETS["raw"].read_sources(recording, built), 15, 16000)
        for stream in STREAMS:
            stored = cache.read(recording.id, stream)
            np.testing.assert_array_equal(stored, getattr(clip, stream))
            assert stored.dtype == getattr(clip, stream).dtype
        meta = cache.meta(recording.id)
        assert (meta["words"], meta["phones"], meta["notices"]) == (clip.words, clip.phones, clip.notices)
        assert (meta["num_frames"], meta["fps"], meta["speaker"]) == (60, 15, recording.speaker)
        assert meta["skeleton"].names == clip.skeleton.names
        assert meta["skeleton"].offsets_cm.equal(clip.skeleton.offsets_cm)
        assert cache.known[recording.id] == replace(recording, paths={})


@given(start=st.integers(0, 60), length=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_a_slice_is_that_part_of_the_whole(built, start, length):
    cache = MotionCache.open(built)
    stop = min(60, start + length)
    for stream in ("motion", "face", "word_index", "emotion", "semantic", "waveform"):
        np.testing.assert_array_equal(cache.read(IDS[0], stream, start, stop), cache.read(IDS[0], stream)[start:stop])


def test_rows_that_are_not_there_are_refused(built):
    cache = MotionCache.open(built)
    for start, stop in ((0, 61), (-1, 5), (7, 6)):
        with pytest.raises(IndexError, match="motion has rows 0 to 60"):
            cache.read(IDS[0], "motion", start, stop)
    with pytest.raises(InputError, match="no recording 9_nobody_0_1_1"):
        cache.read("9_nobody_0_1_1", "motion")


def test_what_is_read_belongs_to_the_caller(built):
    cache = MotionCache.open(built)
    for stream in STREAMS:
        cache.read(IDS[0], stream)[:] = 7
        assert not (cache.read(IDS[0], stream) == 7).all()


def test_a_16_bit_wav_takes_two_bytes_a_sample_and_loses_nothing(built, tmp_path):
    assert MotionCache.open(built).slot(IDS[0], "waveform").dtype == np.dtype("<i2")
    make_raw_recording(tmp_path / "at_24_khz", sample_rate=24000)
    config = DataConfig(root=str(tmp_path / "at_24_khz"), cache_dir=str(tmp_path / "caches"))
    build(config)
    assert MotionCache.open(config).slot(IDS[0], "waveform").dtype == np.dtype("<f4")  # resampled: no whole numbers


@given(arrays.arrays(np.int16, st.integers(0, 50)))
def test_any_16_bit_sound_is_recognised(samples):
    found = _as_pcm16(samples.astype(np.float32) / 32768)
    np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize("odd", [1.0, -1.0001, 0.3, 1 / 65536, 100.0])
def test_a_sound_that_16_bits_cannot_hold_stays_float(odd):
    assert _as_pcm16(np.array([0.0, 0.5, odd], dtype=np.float32)) is None


def test_two_caches_of_one_folder_and_their_pickles_read_alike(built):
    first, second = MotionCache.open(built), MotionCache.open(built)
    third = pickle.loads(pickle.dumps(first))
    assert contents(first) == contents(second) == contents(third)


def test_a_forked_process_reads_after_its_parent_has(built):
    cache = MotionCache.open(built)
    expected = cache.read(IDS[0], "motion").tobytes()
    assert run_forked(lambda: os._exit(int(cache.read(IDS[0], "motion").tobytes() != expected))) == 0
    assert cache.read(IDS[0], "motion").tobytes() == expected


# --- what it belongs to ---


@pytest.mark.parametrize("change", [{"fps": 30.0}, {"sample_rate": 8000}, {"format": "beat_cache"}])
def test_a_setting_that_shapes_the_values_matters(built, change):
    with pytest.raises(InputError):
        MotionCache.open(replace(built, **change))


def test_place_speakers_windows_and_splits_do_not_matter(own_cache):
    others = {"window_frames": 64, "stride_frames": 5, "num_workers": 3, "splits": SplitsConfig(train=[IDS[0]])}
    expected = MotionCache.open(own_cache)
    moved = Path(own_cache.root).rename(Path(own_cache.root).with_name("moved"))
    cache = MotionCache.open(replace(own_cache, root=str(moved), **others))
    assert contents(cache) == contents(expected)
    assert cache.fingerprint == expected.fingerprint


def test_a_cache_of_another_version_is_one_clear_line(own_cache, monkeypatch):
    for module in (fingerprint, cache_index):
        monkeypatch.setattr(module, "CACHE_VERSION", fingerprint.CACHE_VERSION + 1)
    with pytest.raises(InputError, match=r"cache version: 3 is asked for, the cache has 2; build it: python tools"):
        MotionCache.open(own_cache)
    first, second = build(own_cache), build(own_cache)
    assert (first.added, second.kept) == (IDS, IDS)


def test_a_cache_that_was_made_before_versions_were_told_apart_is_refused_by_its_version(own_cache):
    (folder,) = Path(own_cache.cache_dir).iterdir()
    config = {"version": 1, "format": "raw", "fps": 15.0, "sample_rate": 16000}
    old = {"fingerprint": {"config": config, "sources": {}}, "recordings": {IDS[0]: {}}, "rejects": {}}
    (folder / "cache.json").write_text(json.dumps(old))
    for root in (own_cache.root, "nowhere"):
        with pytest.raises(InputError, match="cache version: 2 is asked for, the cache has 1"):
            MotionCache.open(replace(own_cache, root=root))


def test_another_fps_is_an_error_that_says_so_and_how_to_build(built):
    with pytest.raises(InputError) as error:
        MotionCache.open(replace(built, fps=30.0))
    message = str(error.value)
    assert "data.fps: 30.0 is asked for, the cache has 15.0" in message
    assert f"python tools/build_cache.py data.format=raw data.root={built.root}" in message
    assert "data.fps=30.0" in message
    assert "recordings" not in message


def test_no_cache_at_all_names_the_command(config):
    with pytest.raises(InputError, match=r"no cache there; build it: python tools/build_cache.py .*data.cache_dir="):
        MotionCache.open(config)
    with pytest.raises(InputError, match="data.cache_dir: not set"):
        MotionCache.open(replace(config, cache_dir=""))


def test_without_the_corpus_the_one_cache_with_the_same_settings_is_taken(own_corpus, caplog):
    build(own_corpus)
    expected = contents(MotionCache.open(own_corpus))
    shutil.rmtree(own_corpus.root)
    with caplog.at_level(logging.WARNING):
        assert contents(MotionCache.open(own_corpus)) == expected
    assert "is not there: taking the one cache" in caplog.text
    with pytest.raises(InputError, match="data.fps: 30.0 is asked for, the cache has 15.0"):
        MotionCache.open(replace(own_corpus, fps=30.0))
    assert MotionCache.open(replace(own_corpus, speakers=["4"])).recordings() == IDS[2:]
    with pytest.raises(InputError, match="data.speakers: no recordings of 7; there are some of 2, 4"):
        MotionCache.open(replace(own_corpus, speakers=["7"]))


def test_without_the_corpus_two_caches_with_the_same_settings_are_an_error(own_corpus):
    build(own_corpus)
    for path in Path(own_corpus.root).rglob("*.txt"):
        path.write_text("")
    build(own_corpus)
    shutil.rmtree(own_corpus.root)
    with pytest.raises(InputError, match=r"several caches in .* have these settings \(\w{12}, \w{12}\); set data.root"):
        MotionCache.open(own_corpus)


def test_a_cache_beside_is_left_alone(own_corpus):
    report = build(own_corpus)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in report.path.iterdir()}
    other = build(replace(own_corpus, fps=30.0))
    assert other.path != report.path
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in report.path.iterdir()} == before
    assert set(before) == {"data.mdb", "cache.json"}
    assert sorted(path.name for path in report.path.parent.iterdir()) == sorted([report.path.name, other.path.name])
