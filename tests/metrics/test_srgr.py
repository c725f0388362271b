import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.errors import InputError
from emage.metrics.srgr import SRGR, srgr


def example(seed: int = 0, num_frames: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    target = generator.normal(0, 30, (num_frames, 141))
    pred = target + generator.normal(0, 1.5, target.shape)
    return pred, target, generator.choice([0.0, 0.1, 0.4, 1.0], num_frames)


def published(pred: np.ndarray, target: np.ndarray, semantic: np.ndarray, threshold: float) -> float:
    """The published steps, with loops."""
    total = 0.0
    for frame in range(len(pred)):
        for joint in range(47):
            difference = np.abs(pred[frame, 3 * joint : 3 * joint + 3] - target[frame, 3 * joint : 3 * joint + 3]).sum()
            total += (1.0 if difference < threshold else 0.0) * semantic[frame] / 0.165
    return total / (len(pred) * 47)


@pytest.mark.parametrize("threshold_deg", [0.1, 4.0, 9.0])
def test_beat2022_is_the_published_code(threshold_deg):
    pred, target, semantic = example()
    expected = published(pred, target, semantic, threshold_deg)
    assert srgr(pred, target, semantic, threshold_deg, "beat2022") == pytest.approx(expected, abs=1e-9)
    assert srgr(pred, target, semantic, threshold_deg=4.0, variant="beat2022") == pytest.approx(
        published(pred, target, semantic, 4.0), abs=1e-9
    )


def test_the_real_motion_scores_one_or_what_its_labels_give():
    _, target, semantic = example()
    assert srgr(target, target, semantic) == 1
    assert srgr(target, target, semantic, variant="beat2022") == pytest.approx(semantic.mean() / 0.165)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 30))
def test_corrected_lies_between_zero_and_one_and_is_the_published_one_over_its_ceiling(seed, scale):
    pred, target, semantic = example(seed)
    semantic[0] = 0.5  # some frame means something
    pred = target + scale * (pred - target)
    value = srgr(pred, target, semantic)
    assert 0 <= value <= 1
    ceiling = srgr(target, target, semantic, variant="beat2022")
    assert value == pytest.approx(srgr(pred, target, semantic, variant="beat2022") / ceiling, abs=1e-9)


def test_corrected_compares_angles_on_the_circle():
    target = np.zeros((3, 6))
    assert srgr(target + 359.0, target, np.ones(3)) == 1
    assert srgr(target + 359.0, target, np.ones(3), variant="beat2022") == 0


def test_frames_count_by_their_semantic_score():
    target = np.zeros((2, 3))
    pred = np.array([[0.0, 0, 0], [90.0, 0, 0]])
    assert srgr(pred, target, [0.3, 0.1]) == pytest.approx(0.75)


def test_without_meaning_there_is_no_score():
    pred, target, _ = example()
    assert np.isnan(srgr(pred, target, np.zeros(50)))
    assert srgr(pred, target, np.zeros(50), variant="beat2022") == 0
    metric = SRGR()
    metric.update(pred, target, semantic=np.zeros(50))
    assert metric.compute()["srgr"] is None


@pytest.mark.parametrize("variant", ["corrected", "beat2022"])
def test_recordings_are_weighted_as_one_long_one(variant):
    parts = [example(0), example(1, num_frames=20), example(2, num_frames=1)]
    metric = SRGR(variant)
    for pred, target, semantic in parts:
        metric.update(pred, target, semantic=semantic)
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    result = metric.compute()
    assert result["srgr"] == pytest.approx(srgr(*joined, variant=variant), abs=1e-12)
    assert (result["variant"], result["threshold_deg"], result["num_recordings"]) == (variant, 4.0, 3)


@pytest.mark.parametrize(
    ("pred", "target", "semantic", "message"),
    [
        (np.zeros((5, 6)), np.zeros((5, 9)), np.zeros(5), "expected .frames, 3"),
        (np.zeros((5, 6)), np.zeros((5, 6)), np.zeros(4), "with 4 semantic scores"),
        (np.zeros((5, 4)), np.zeros((5, 4)), np.zeros(5), "expected .frames, 3"),
        (np.zeros((0, 6)), np.zeros((0, 6)), np.zeros(0), "expected .frames, 3"),
        (np.full((5, 6), np.nan), np.zeros((5, 6)), np.zeros(5), "generated motion holds a value that is not finite"),
    ],
)
def test_bad_input_is_named(pred, target, semantic, message):
    with pytest.raises(InputError, match=message):
        srgr(pred, target, semantic)
    with pytest.raises(InputError, match="choose one of corrected, beat2022"):
        SRGR("emage2024")
