from itertools import combinations

import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.confidence import intervals
from emage.metrics.diversity import (
    L1Diversity,
    Multimodality,
    PairwiseDiversity,
    l1_diversity,
    multimodality,
    overwritten_by_l1_diversity,
    pairwise_diversity,
)


def example(num_frames: int = 40, num_columns: int = 141, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 20, (num_frames, num_columns))


def published(x: np.ndarray) -> float:
    """The published steps on a copy: overwrite the rows by their distance from the mean, then add them up."""
    x = x.copy()
    mean = np.mean(x, 0)
    total = 0.0
    for i in range(x.shape[0]):
        x[i, :] = abs(x[i, :] - mean)
        total += np.sum(x[i, :])
    return total / x.shape[0]


@pytest.mark.parametrize("num_frames", [1, 2, 40])
def test_beat2022_is_the_published_code(num_frames):
    x = example(num_frames)
    assert l1_diversity(x, variant="beat2022") == pytest.approx(published(x), abs=1e-9)


def test_corrected_is_in_the_units_of_the_motion_whatever_its_width():
    x = np.tile([[-2.0], [2.0]], (5, 1))
    for width in (1, 7, 141):
        assert l1_diversity(np.tile(x, (1, width))) == pytest.approx(2.0)
    assert l1_diversity(np.tile(x, (1, 141)), variant="beat2022") == pytest.approx(282.0)


def test_the_argument_keeps_its_values_and_what_the_published_code_leaves_is_on_offer():
    x = example()
    before = x.copy()
    for variant in ("corrected", "beat2022"):
        l1_diversity(x, variant=variant)
    left = overwritten_by_l1_diversity(x)
    assert np.array_equal(x, before)
    np.testing.assert_allclose(left, np.abs(before - before.mean(axis=0)))


@pytest.mark.parametrize("variant", ["corrected", "beat2022"])
def test_recordings_weigh_by_their_frames(variant):
    parts = [example(10), example(30, seed=1)]
    metric = L1Diversity(variant)
    for x in parts:
        metric.update(x)
    expected = (10 * l1_diversity(parts[0], variant) + 30 * l1_diversity(parts[1], variant)) / 40
    assert metric.compute()["l1_diversity"] == pytest.approx(expected)
    assert metric.compute()["variant"] == variant


def test_nothing_moves_nothing_is_diverse():
    assert l1_diversity(np.full((9, 4), 7.0)) == l1_diversity(np.full((1, 4), 7.0)) == 0
    assert L1Diversity().compute()["l1_diversity"] is None


def test_pairwise_diversity_is_the_mean_over_pairs():
    samples = np.random.default_rng(0).standard_normal((5, 7, 3))
    expected = np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in combinations(samples, 2)])
    assert pairwise_diversity(samples) == multimodality(samples) == pytest.approx(expected)
    assert np.isnan(pairwise_diversity(samples[:1]))
    assert np.isnan(pairwise_diversity(np.zeros((0, 7, 3))))


def test_multimodality_is_a_mean_over_recordings_of_their_own():
    metric = Multimodality()
    one, other = (np.random.default_rng(i).standard_normal((3, 20 + i, 4)) for i in (0, 1))
    metric.update(one)
    metric.update(other)
    metric.update(other[:1])  # one seed alone shows no difference
    result = metric.compute()
    assert result["multimodality"] == pytest.approx((multimodality(one) + multimodality(other)) / 2)
    assert result["num_recordings"] == 3
    same = Multimodality()
    same.update(np.stack([one[0]] * 4))
    assert same.compute()["multimodality"] == 0
    assert Multimodality().compute()["multimodality"] is None


def test_pairwise_diversity_compares_segments_of_different_recordings_alone():
    recordings = [example(60, 5, seed=i) for i in range(4)]
    metric = PairwiseDiversity(window_frames=20, num_segments=3)
    for x in recordings:
        metric.update(x)
    segments = [[x[start : start + 20].astype(np.float32) for start in (0, 20, 40)] for x in recordings]
    distances = [
        np.sqrt(((a.astype(float) - b.astype(float)) ** 2).mean())
        for first, second in combinations(segments, 2)
        for a in first
        for b in second
    ]
    result = metric.compute()
    assert result["pairwise_diversity"] == pytest.approx(np.mean(distances), rel=1e-6)
    assert (result["num_recordings"], result["num_recordings_scored"]) == (4, 4)


def test_the_same_gestures_for_everything_are_not_diverse():
    metric = PairwiseDiversity(window_frames=20, num_segments=1)
    for _ in range(3):
        metric.update(example(20, 5))
    assert metric.compute()["pairwise_diversity"] == 0


def test_short_recordings_and_single_ones_have_no_pairwise_diversity():
    metric = PairwiseDiversity(window_frames=20)
    assert metric.compute()["pairwise_diversity"] is None
    metric.update(example(19, 5))
    assert metric.compute()["pairwise_diversity"] is None
    metric.update(example(25, 5))
    result = metric.compute()
    assert (result["pairwise_diversity"], result["num_recordings_scored"]) == (None, 1)
    metric.update(example(20, 5, seed=1))
    assert metric.compute()["pairwise_diversity"] > 0
    assert metric.scored()["pairwise_diversity"].tolist() == [False, True, True]


def test_bad_input_is_named():
    with pytest.raises(InputError, match="choose one of corrected, beat2022"):
        l1_diversity(example(), variant="emage2024")
    for x in (np.zeros(5), np.zeros((0, 4))):
        with pytest.raises(InputError, match=r"expected \(frames, columns\)"):
            l1_diversity(x)
    with pytest.raises(InputError, match="not finite in frame 2"):
        l1_diversity(np.where(np.arange(4)[:, None] == 2, np.inf, np.zeros((4, 3))))
    metric = PairwiseDiversity()
    metric.update(example(), recording_id="a")
    with pytest.raises(InputError, match="recording a was added twice"):
        metric.update(example(), recording_id="a")


def test_pairwise_diversity_of_recordings_that_are_all_too_short_has_no_value_and_no_interval():
    metric = PairwiseDiversity(window_frames=34)
    for key in ("a", "b"):
        metric.update(np.ones((5, 3)), recording_id=key)
    found = intervals(metric)["pairwise_diversity"]
    assert (found.value, found.low, found.reason) == (None, None, "nothing could be scored")
