"""Stored sums: what merges from recordings is what all frames give at once, for every layout and for faces."""

import numpy as np
import pytest
import torch
from face_corpora import make_emoca_sequence
from raw_corpus import make_raw_recording

from dataloaders import statistics
from dataloaders.cache import MotionCache, build_cache
from dataloaders.recording_sums import RecordingSums
from dataloaders.splits import SplitEntry
from dataloaders.statistics import compute_statistics, count_words, split_sums
from dataloaders.window_dataset import LayoutReader
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.convert import to_matrices
from emage.motion.convert_face import to_face_all
from emage.motion.layout import LAYOUTS, get_layout

BODY_LAYOUTS = [name for name in LAYOUTS if name.startswith("beat_")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> MotionCache:
    """Ten recordings of unequal length."""
    root = tmp_path_factory.mktemp("sums")
    for take in range(1, 11):
        make_raw_recording(root / "corpus", f"2_scott_0_{take}_{take}", 0.5 + take / 7, seed=take)
    config = DataConfig(root=str(root / "corpus"), cache_dir=str(root / "caches"))
    build_cache(config, 1, progress=False)
    return MotionCache.open(config)


def entries_of(cache: MotionCache) -> list[SplitEntry]:
    return [SplitEntry(key, key) for key in cache.recordings()]


def test_statistics_of_every_layout_are_those_of_all_frames_at_once(cache):
    found = compute_statistics(cache, entries_of(cache), BODY_LAYOUTS)
    motion = np.concatenate([cache.read(key, "motion") for key in cache.recordings()])
    face = np.concatenate([cache.read(key, "face") for key in cache.recordings()])
    rows = {name: LayoutReader(name)(motion) for name in BODY_LAYOUTS} | {"arkit_51": face}
    for name, values in rows.items():
        values = values.astype(np.float64)
        np.testing.assert_allclose(found.means[name], values.mean(axis=0), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.stds[name], values.std(axis=0), rtol=1e-6, atol=1e-6)
    stored = get_layout("beat_full")
    total = to_matrices(torch.from_numpy(motion).double(), stored).sum(dim=0)
    expected = statistics.nearest_rotation(total)
    torch.testing.assert_close(to_matrices(found.mean_pose.double(), stored), expected, rtol=1e-6, atol=1e-6)


def test_no_frame_is_read_of_a_recording_that_is_in_the_split_as_a_whole(cache, monkeypatch):
    entries = entries_of(cache)
    monkeypatch.setattr(MotionCache, "read", lambda *args: pytest.fail("frames are read"))
    compute_statistics(cache, entries, ["beat_141"])
    monkeypatch.setattr(MotionCache, "meta", lambda self, key: pytest.fail("words are read") if key else None)
    assert sum(count_words(cache, entries).values()) > 0


def test_the_order_of_a_list_does_not_matter_to_the_last_bit(cache):
    entries = entries_of(cache)
    one, other = (compute_statistics(cache, rows, ["beat_141"]) for rows in (entries, entries[::-1]))
    assert one.means["beat_141"].equal(other.means["beat_141"])
    assert one.mean_pose.equal(other.mean_pose)
    assert split_sums(cache, entries).encode() == split_sums(cache, entries[::-1]).encode()


def test_halves_add_up_to_the_whole(cache):
    (key, *_) = cache.recordings()
    halves = [SplitEntry(f"{key}_a", key, 0.0, 0.3), SplitEntry(f"{key}_b", key, 0.3, None)]
    whole, parts = split_sums(cache, [SplitEntry(key, key)]), split_sums(cache, halves)
    np.testing.assert_allclose(np.frombuffer(parts.encode()), np.frombuffer(whole.encode()), rtol=1e-9, atol=1e-9)
    assert count_words(cache, halves) == count_words(cache, [SplitEntry(key, key)])


def test_sums_come_back_from_their_bytes(cache):
    for key in cache.recordings()[:2]:
        sums = cache.sums(key)
        direct = RecordingSums.of(cache.read(key, "motion"), "beat_full", cache.read(key, "face"), "arkit_51")
        assert sums.encode() == direct.encode()
        assert len(sums.encode()) == 8 * (1 + 2 * (157 + 228 + 453) + 9 * 75)


def test_a_face_alone_has_the_sums_of_face_all(tmp_path):
    for name in ("V0-s1-00001", "V0-s1-00002"):
        make_emoca_sequence(tmp_path / "emoca", name)
    config = DataConfig(format="emoca", root=str(tmp_path / "emoca"), cache_dir=str(tmp_path / "caches"), fps=25.0)
    build_cache(config, 1, progress=False)
    cache = MotionCache.open(config)
    total = split_sums(cache, entries_of(cache))
    face = np.concatenate([cache.read(key, "face") for key in cache.recordings()])
    rows = to_face_all(torch.from_numpy(face), "emoca_56").double().numpy()
    np.testing.assert_allclose(total.face.mean, rows.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(total.face.std(), rows.std(axis=0), rtol=1e-6, atol=1e-9)
    assert total.motion is None
    with pytest.raises(InputError, match="statistics of a body: its recordings have none"):
        compute_statistics(cache, entries_of(cache), ["beat_141"])


def test_motion_that_is_not_finite_is_named_by_its_recording(cache, monkeypatch):
    motion = cache.read(cache.recordings()[0], "motion")
    motion[1, 5] = np.nan
    broken = RecordingSums.of(motion, "beat_full", np.zeros((len(motion), 51), np.float32), "arkit_51")
    monkeypatch.setattr(MotionCache, "sums", lambda self, key: broken)
    with pytest.raises(InputError, match="recording 2_scott_0_10_10: its motion or face holds NaN or infinity"):
        compute_statistics(cache, entries_of(cache), ["beat_141"])


def test_a_layout_that_the_stored_joints_cannot_give_is_an_error(cache):
    with pytest.raises(InputError, match="has no joint"):
        compute_statistics(cache, entries_of(cache), ["smplx_full_rot6d"])
