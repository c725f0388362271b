"""Statistics: against plain numpy over everything at once, and the mean of rotations against known cases."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dataloaders.cache import MotionCache, build_cache
from dataloaders.recording_sums import Moments
from dataloaders.splits import SplitEntry
from dataloaders.statistics import compute_statistics, count_words, nearest_rotation
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import get_layout

FIRST, OTHER = "2_scott_0_1_1", "4_lawrence_0_57_57"


@pytest.fixture(scope="module")
def cache(raw_corpus_root, tmp_path_factory) -> MotionCache:
    config = DataConfig(root=str(raw_corpus_root), cache_dir=str(tmp_path_factory.mktemp("caches")))
    build_cache(config, 1, progress=False)
    return MotionCache.open(config)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(sum),
    st.sampled_from([0.0, 360.0, -1e4]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_moments_of_pieces_are_those_of_the_whole(lengths, offset, seed):
    rows = np.random.default_rng(seed).normal(offset, 2.0, (sum(lengths), 3)).astype(np.float32)
    moments = Moments(3)
    for piece in np.split(rows, np.cumsum(lengths)[:-1]):
        moments.update(piece)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.std(), exact.std(axis=0), atol=1e-9)


def test_every_layout_has_the_mean_and_deviation_of_all_its_frames(cache):
    entries = [SplitEntry(FIRST, FIRST, 1.0, 3.0), SplitEntry(OTHER, OTHER, 2.0, None)]
    statistics = compute_statistics(cache, entries, ["beat_141", "beat_full_rot6d", "beat_141"])
    motion = np.concatenate([cache.read(FIRST, "motion", 15, 45), cache.read(OTHER, "motion", 30, 60)])
    face = np.concatenate([cache.read(FIRST, "face", 15, 45), cache.read(OTHER, "face", 30, 60)])
    for layout in ("beat_141", "beat_full_rot6d"):
        rows = convert(torch.from_numpy(motion), "beat_full", layout).double()
        torch.testing.assert_close(statistics.means[layout], rows.mean(dim=0).float(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(statistics.stds[layout], rows.std(dim=0, correction=0).float(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics.means["arkit_51"], face.mean(axis=0, dtype=np.float64), rtol=1e-5)
    assert set(statistics.means) == {"beat_141", "beat_full_rot6d", "arkit_51"}


def test_the_mean_pose_is_the_mean_of_rotations_and_of_the_root(cache):
    pose = compute_statistics(cache, [SplitEntry(FIRST, FIRST)], ["beat_141"]).mean_pose
    motion, layout = cache.read(FIRST, "motion"), get_layout("beat_full")
    np.testing.assert_allclose(pose[layout.translation_slice], motion[:, :3].mean(axis=0), atol=1e-5)
    found = to_matrices(pose.double(), layout)
    for joint in (0, 1, 12, 40):
        start = 3 + 3 * joint
        oracle = Rotation.from_euler("XYZ", motion[:, start : start + 3].astype(float), degrees=True).mean()
        np.testing.assert_allclose(found[joint], oracle.as_matrix(), atol=1e-5)


def test_opposite_turns_just_short_of_180_degrees_average_to_180_not_to_0():
    turns = torch.from_numpy(Rotation.from_euler("X", [[179], [-179]], degrees=True).as_matrix())
    expected = Rotation.from_euler("X", 180, degrees=True).as_matrix()
    np.testing.assert_allclose(nearest_rotation(turns.sum(dim=0)), expected, atol=1e-12)


@given(st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_the_nearest_rotation_is_a_rotation_and_a_rotation_is_its_own(seed):
    matrix = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 3, 3)))
    found = nearest_rotation(matrix)
    identity = torch.eye(3, dtype=torch.float64).expand(4, 3, 3)
    torch.testing.assert_close(found @ found.mT, identity)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(nearest_rotation(5 * found), found)


def test_a_recording_that_is_not_listed_has_no_say(cache):
    alone = compute_statistics(cache, [SplitEntry(FIRST, FIRST)], ["beat_full"])
    both = compute_statistics(cache, [SplitEntry(FIRST, FIRST), SplitEntry(OTHER, OTHER)], ["beat_full"])
    own_mean = cache.read(FIRST, "motion").mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(alone.means["beat_full"], own_mean, atol=1e-4)
    assert not alone.means["beat_full"].equal(both.means["beat_full"])


@pytest.mark.parametrize("entries", [[], [SplitEntry(f"{FIRST}_b", FIRST, 30.0, None)]])
def test_no_frame_is_an_error(cache, entries):
    with pytest.raises(InputError, match="the train split has no frame"):
        compute_statistics(cache, entries, ["beat_141"])


def test_words_are_counted_where_they_begin(cache):
    # one word each half second from 0.5 s: the first thing is Monday morning (friends relaxing ...)
    assert count_words(cache, [SplitEntry(FIRST, FIRST)]) == Counter("the first thing is monday morning".split())
    assert count_words(cache, [SplitEntry(f"{FIRST}_a", FIRST, 0.0, 1.5)]) == Counter(["the", "first"])
    assert count_words(cache, [SplitEntry(f"{FIRST}_b", FIRST, 1.5, None)]) == Counter(
        "thing is monday morning".split()
    )
    assert count_words(cache, []) == Counter()
