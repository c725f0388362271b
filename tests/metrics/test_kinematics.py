import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.cross_decomposition import CCA as SklearnCCA

from emage.errors import InputError
from emage.metrics.kinematics import (
    CCA,
    Kinematics,
    acceleration,
    cca,
    hellinger,
    jerk,
    speed,
    speed_histogram,
)


def example(seed: int = 0, num_frames: int = 90, num_joints: int = 12, scale: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num_frames, num_joints, 3)).cumsum(axis=0) * scale


@pytest.mark.parametrize("fps", [15, 30, 120])
def test_a_cubic_path_has_its_derivatives(fps):
    time_s = np.arange(60) / fps
    x = 5 * time_s**3
    positions = np.stack([x, np.zeros(60), -x], axis=-1)[:, None]
    assert jerk(positions, fps) == pytest.approx([30 * np.sqrt(2)], rel=1e-6)
    moving = np.stack([3 * time_s, 4 * time_s, np.zeros(60)], axis=-1)[:, None]
    assert speed(moving, fps) == pytest.approx([5.0])
    assert acceleration(moving, fps) == pytest.approx([0.0], abs=1e-6)
    falling = np.stack([np.zeros(60), -490.5 * time_s**2, np.zeros(60)], axis=-1)[:, None]
    assert acceleration(falling, fps) == pytest.approx([981.0])


def test_the_published_code_at_30_fps():
    """GENEA: np.diff, norm of each joint, mean over time, times 30 to the power."""
    positions = example()
    flat = positions.reshape(90, -1)
    for order, function in ((2, acceleration), (3, jerk)):
        steps = np.diff(flat, n=order, axis=0)
        expected = [np.mean([np.linalg.norm(row[3 * j : 3 * j + 3]) for row in steps]) * 30.0**order for j in range(12)]
        found = function(positions, 30)
        assert found.shape == (12,)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("width", [0.05, 1, 2.5, 7])
def test_the_published_histogram(width):
    positions = example(scale=2)
    speeds = np.linalg.norm(np.diff(positions, axis=0), axis=-1) * 30
    bins = np.arange(0, 49 + width, width)
    expected = sum(np.histogram(speeds[:, joint], bins=bins)[0] for joint in range(12))
    found = speed_histogram(positions, 30, width, variant="genea")
    assert np.array_equal(found, expected)
    assert found.sum() < speeds.size  # fast ones are dropped
    without = sum(np.histogram(speeds[:, joint], bins=bins)[0] for joint in range(8, 12))
    assert np.array_equal(speed_histogram(positions, 30, width, "genea", skip_joints=8), without)


def test_the_corrected_histogram_drops_nothing():
    positions = example(scale=50)
    counts = speed_histogram(positions, 30, 1.0)
    assert counts.sum() == 89 * 12
    assert counts[-1] > 0


def test_hellinger_is_the_published_formula():
    a, b = np.random.default_rng(0).integers(0, 50, (2, 30)).astype(float)
    expected = np.sqrt(1 - np.sum(np.sqrt(a / a.sum() * b / b.sum())))
    assert hellinger(a, b) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=20),
    st.floats(0.01, 100),
    st.randoms(use_true_random=False),
)
def test_hellinger_is_a_distance_of_shapes(counts, factor, random):
    a = np.array(counts, dtype=float)
    b = np.array([random.randint(0, 9) for _ in counts], dtype=float)
    assert hellinger(a, factor * a) == pytest.approx(0, abs=1e-9)
    assert 0 <= hellinger(a, b) <= 1 + 1e-12
    assert hellinger(a, b) == pytest.approx(hellinger(b, a), abs=1e-12)


def test_hellinger_of_empty_and_of_separate_histograms():
    assert hellinger([0, 0], [0, 0]) == 0
    assert hellinger([0, 0], [3, 1]) == hellinger([5, 0], [0, 1]) == 1


@pytest.mark.parametrize("seed", range(3))
def test_genea_cca_is_that_of_sklearn(seed):
    generator = np.random.default_rng(seed)
    target = generator.standard_normal((120, 4, 3))
    pred = target @ generator.standard_normal((3, 3)) + generator.standard_normal((120, 4, 3))
    x, y = pred.reshape(120, -1), target.reshape(120, -1)
    model = SklearnCCA(n_components=1, max_iter=1500)
    model.fit(x, y)
    a, b = (np.array(side).squeeze() for side in model.transform(x, y))
    assert cca(pred, target, variant="genea") == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-5)


def test_genea_cca_leaves_constant_columns_out():
    pred, target = example(0), example(1)
    still = np.concatenate([pred, np.full((90, 3, 3), 5.0)], axis=1)
    assert cca(still, target, variant="genea") == pytest.approx(cca(pred, target, variant="genea"), abs=1e-9)


def test_corrected_cca_tells_related_from_unrelated_where_the_published_one_does_not():
    target = example(1, num_frames=200, num_joints=30)
    unrelated, related = example(2, num_frames=200, num_joints=30), target[:, ::-1] * 2
    assert cca(unrelated, target, variant="genea") > 0.95
    assert abs(np.mean([cca(example(s, 200, 30), example(s + 50, 200, 30)) for s in range(8)])) < 0.4
    assert cca(related, target) > 0.95


@pytest.mark.parametrize("variant", ["corrected", "genea"])
@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 4, 5])
def test_too_short_or_still_motion_has_no_correlation(variant, num_frames):
    value = cca(example(num_frames=num_frames), example(1, num_frames=num_frames), variant)
    assert -1 <= value <= 1
    assert cca(np.ones((50, 4)), np.random.default_rng(0).standard_normal((50, 4)), variant) == 0


@pytest.mark.parametrize("num_frames", [0, 1, 2, 3])
def test_too_few_frames_are_defined(num_frames):
    positions = example(num_frames=num_frames)
    assert jerk(positions, 30).tolist() == [0.0] * 12
    assert speed_histogram(positions, 30, 1.0, "genea").sum() <= 12 * max(num_frames - 1, 0)
    metric = Kinematics(30)
    metric.update(positions, positions)
    result = metric.compute()
    assert result["jerk_mean_cm_s3"] is None
    assert (result["speed_mean_cm_s"] is None) == (num_frames < 2)


def test_the_class_pools_frames_and_joints():
    parts = [example(0), example(1, num_frames=40)]
    metric = Kinematics(30)
    for positions in parts:
        metric.update(positions)
    speeds = [np.linalg.norm(np.diff(positions, axis=0), axis=-1) * 30 for positions in parts]
    result = metric.compute()
    assert result["speed_mean_cm_s"] == pytest.approx(np.concatenate(speeds).mean())
    expected = (89 * np.percentile(speeds[0], 95) + 39 * np.percentile(speeds[1], 95)) / 128
    assert result["speed_p95_cm_s"] == pytest.approx(expected)
    assert result["hellinger"] is None
    assert result["num_recordings"] == 2


def test_hellinger_of_the_class_is_that_of_all_speeds_together():
    generated, references = [example(i) for i in (0, 1)], [example(i, scale=0.5) for i in (2, 3)]
    metric = Kinematics(30)
    for pair in zip(generated, references, strict=True):
        metric.update(*pair)
    metric.update(example(9, scale=9))  # without a real one it has no part
    sums = [sum(speed_histogram(p, 30, 1.0) for p in side) for side in (generated, references)]
    assert metric.compute()["hellinger"] == pytest.approx(hellinger(*sums))
    shown = metric.histograms()
    assert shown["reference"] == sums[1].tolist()
    assert len(shown["edges_cm_s"]) == len(shown["generated"]) == 401 - 1
    assert Kinematics(30).histograms() == {"edges_cm_s": []}


def test_noise_is_faster_than_the_motion_under_it():
    positions = example()
    quiet, noisy = Kinematics(30), Kinematics(30)
    quiet.update(positions, positions)
    noisy.update(positions + np.random.default_rng(5).normal(0, 0.5, positions.shape), positions)
    assert quiet.compute()["hellinger"] == 0
    assert noisy.compute()["hellinger"] > 0.1
    assert noisy.compute()["jerk_p50_cm_s3"] > quiet.compute()["jerk_p50_cm_s3"]


def test_cca_over_recordings_is_the_mean_of_theirs():
    metric = CCA("genea")
    pairs = [(example(i), example(i + 10)) for i in range(3)]
    for pair in pairs:
        metric.update(*pair)
    assert metric.compute()["cca"] == pytest.approx(np.mean([cca(*pair, "genea") for pair in pairs]))


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"expected \(frames, joints, 3\)"):
        jerk(np.zeros((5, 6)), 30)
    with pytest.raises(InputError, match="not finite in frame 1"):
        jerk(np.where(np.arange(4)[:, None, None] == 1, np.nan, np.zeros((4, 2, 3))), 30)
    with pytest.raises(InputError, match="choose one of corrected, genea"):
        speed_histogram(example(), 30, 1, "beat2022")
    with pytest.raises(InputError, match="bin width of 0"):
        speed_histogram(example(), 30, 0)
    with pytest.raises(InputError, match="got 3 and 4 bins"):
        hellinger([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(InputError, match="no count below 0"):
        hellinger([1, -2], [1, 2])
    with pytest.raises(InputError, match="90 generated frames beside 40 real ones"):
        cca(example(), example(num_frames=40))
    with pytest.raises(InputError, match="12 generated joints beside 11"):
        Kinematics(30).update(example(), example()[:, 1:])
