"""What every metric class promises: order does not matter, memory does not grow, arguments stay, intervals can be drawn."""

import inspect
import json
import pickle
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import emage.metrics
from emage.metrics import METRICS, beat_align, diversity, fgd, kinematics, srgr
from emage.metrics.confidence import intervals
from emage.metrics.fgd_windows import principal_windows
from emage.text import Word

JOINTS = ("RightForeArm", "RightHand", "LeftForeArm", "LeftHand", "LeftFoot", "RightFoot")
PHONES = [Word("B", i * 0.4, i * 0.4 + 0.1) for i in range(4)] + [
    Word("AA", i * 0.4 + 0.1, i * 0.4 + 0.4) for i in range(4)
]
WAVEFORM = (
    np.random.default_rng(0).standard_normal(32000) * np.repeat(np.random.default_rng(1).random(16), 2000)
).astype(np.float32)


def smooth(seed: int, *shape: int) -> np.ndarray:
    walk = np.random.default_rng(seed).standard_normal((shape[0] + 7, *shape[1:])).cumsum(axis=0)
    return walk[7:] - walk[:-7]


SPACE = principal_windows([smooth(i, 120, 6) for i in range(4)], num_components=8)


def _update_beats(metric: Any, seed: int, num_frames: int, **kwargs: Any) -> list[Any]:
    arguments = [smooth(seed, num_frames, len(JOINTS), 3), WAVEFORM]
    metric.update_positions(*arguments, joint_names=JOINTS, **kwargs)
    return arguments


def _update(make: Callable[[int, int], list[Any]], **extra: Any) -> Callable[..., list[Any]]:
    def update(metric: Any, seed: int, num_frames: int, **kwargs: Any) -> list[Any]:
        arguments = make(seed, num_frames)
        metric.update(*arguments, **extra, **kwargs)
        return arguments

    return update


def _srgr(metric: Any, seed: int, num_frames: int, **kwargs: Any) -> list[Any]:
    target = smooth(seed, num_frames, 141)
    arguments = [target + smooth(seed + 50, num_frames, 141), target, np.random.default_rng(seed).random(num_frames)]
    metric.update(arguments[0], arguments[1], semantic=arguments[2], **kwargs)
    return arguments


def places(seed: int, num_frames: int) -> list[np.ndarray]:
    return [smooth(seed, num_frames, len(JOINTS), 3), smooth(seed + 50, num_frames, len(JOINTS), 3)]


# Class -> how one is made and how a recording is added.
CASES: dict[str, tuple[Callable[[], Any], Callable[..., list[Any]]]] = {
    "fgd": (lambda: METRICS["fgd"](SPACE), _update(lambda s, n: [smooth(s, n, 6), smooth(s + 50, n, 6)])),
    "beat_align": (lambda: METRICS["beat_align"]("corrected", 15, 16000), _update_beats),
    "srgr": (lambda: METRICS["srgr"](), _srgr),
    "l1_diversity": (lambda: METRICS["l1_diversity"](), _update(lambda s, n: [smooth(s, n, 20)])),
    "pairwise_diversity": (lambda: METRICS["pairwise_diversity"](), _update(lambda s, n: [smooth(s, n, 20)])),
    "multimodality": (lambda: METRICS["multimodality"](), _update(lambda s, n: [smooth(s, 3, n, 20)])),
    "kinematics": (lambda: METRICS["kinematics"](30), _update(places)),
    "cca": (lambda: METRICS["cca"](), _update(places)),
    "feet": (lambda: METRICS["feet"](30), _update(lambda s, n: places(s, n)[:1], joint_names=JOINTS)),
    "seams": (lambda: METRICS["seams"](30), _update(lambda s, n: places(s, n)[:1], border_frames=[34, 68])),
    "arkit_face": (
        lambda: METRICS["arkit_face"](30),
        _update(lambda s, n: [smooth(s, n, 51), smooth(s + 50, n, 51)], phones=PHONES),
    ),
    "face_vertices": (
        lambda: METRICS["face_vertices"](30, lips=[0, 1], face=[0, 1, 2], upper=[3, 3, 4], template_m=np.zeros((6, 3))),
        _update(lambda s, n: [smooth(s, n, 6, 3), smooth(s + 50, n, 6, 3)]),
    ),
}
HERE = pytest.mark.parametrize("name", sorted(CASES))


def test_every_metric_is_in_the_table_under_a_name_of_its_own():
    theirs = {name for name in METRICS if "singing" in name}  # their tests are in test_singinghead.py
    assert sorted(CASES) == sorted(METRICS.keys() - theirs)
    modules = {module.name for module in pkgutil.iter_modules(emage.metrics.__path__)}
    assert not modules & set(emage.metrics.__all__)  # emage.metrics.srgr is the module, never the function


@HERE
def test_the_order_of_recordings_does_not_matter(name):
    make, update = CASES[name]
    results = []
    for order in ([0, 1, 2, 3, 4], [3, 1, 4, 2, 0]):
        metric = make()
        for seed in order:
            update(metric, seed, 100 + 10 * seed, recording_id=f"take_{seed}")
        results.append((metric.compute(), intervals(metric, num_draws=20)))
    (first, first_ends), (second, second_ends) = results
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert second[key] == (pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value)
    for key, interval in first_ends.items():
        assert interval.low is not None, f"{key}: {interval.reason}"
        assert interval.low <= interval.value <= interval.high
        assert (second_ends[key].low, second_ends[key].high) == pytest.approx(
            (interval.low, interval.high), rel=1e-9, abs=1e-9
        )


@HERE
def test_memory_does_not_grow_with_the_frames(name):
    """A pickle holds what the object does; nothing here is ever saved as one."""
    make, update = CASES[name]
    sizes = []
    for num_frames in (120, 1200):
        metric = make()
        empty = len(pickle.dumps(metric))
        update(metric, 0, num_frames)
        sizes.append(len(pickle.dumps(metric)) - empty)
    assert sizes[1] == pytest.approx(sizes[0], abs=100)
    assert sizes[1] <= 1_000_000


@HERE
def test_arguments_are_not_altered(name):
    make, update = CASES[name]
    metric = make()
    given = update(metric, 3, 120)
    again = update(make(), 3, 120)  # the same values, made anew
    metric.compute()
    for before, after in zip(again, given, strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


@HERE
def test_results_are_plain_and_an_empty_metric_has_them_too(name):
    make, update = CASES[name]
    metric = make()
    empty = metric.compute()
    assert all(empty[score] is None for score in metric.score_names)
    assert all(interval.value is None for interval in intervals(metric).values())
    update(metric, 0, 120)
    update(metric, 1, 120)
    result = metric.compute()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert set(metric.score_names) <= set(result)
    json.dumps({key: value.to_dict() for key, value in intervals(metric, num_draws=20).items()}, allow_nan=False)


@HERE
def test_a_recording_counts_once(name):
    make, update = CASES[name]
    metric = make()
    update(metric, 0, 120, recording_id="a")
    with pytest.raises(ValueError, match="recording a was added twice"):
        update(metric, 0, 120, recording_id="a")


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"fgd", "pairwise_diversity"}))
def test_each_recordings_own_scores_are_those_of_a_metric_that_saw_it_alone(name):
    make, update = CASES[name]
    metric = make()
    for seed in range(3):
        update(metric, seed, 110 + seed, recording_id=f"take_{seed}")
    for seed, (key, scores) in enumerate(metric.per_recording().items()):
        alone = make()
        update(alone, seed, 110 + seed)
        assert key == f"take_{seed}"
        assert scores == pytest.approx({score: alone.compute()[score] for score in metric.score_names})
    assert make().per_recording() == {}


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (fgd.frechet_distance, 2),
        (beat_align.beat_alignment, ["motion_deg", "waveform", "sample_rate", "fps", "variant", "sigma_s"]),
        (
            beat_align.beat_alignment_positions,
            ["positions", "waveform", "sample_rate", "fps", "mean_speed", "variant", "mask_frames"],
        ),
        (srgr.srgr, ["pred_deg", "target_deg", "semantic", "threshold_deg", "variant"]),
        (diversity.l1_diversity, ["x", "variant"]),
        (kinematics.jerk, ["positions", "fps"]),
        (kinematics.acceleration, ["positions", "fps"]),
        (kinematics.speed_histogram, ["positions", "fps", "width", "variant"]),
        (kinematics.hellinger, ["counts_a", "counts_b"]),
        (kinematics.cca, ["pred", "target", "variant"]),
    ],
)
def test_plain_functions_take_these_arguments_and_default_to_the_corrected_variant(function, parameters):
    signature = inspect.signature(function)
    if parameters == 2:
        assert len(signature.parameters) == 2
        return
    assert list(signature.parameters)[: len(parameters)] == parameters
    if "variant" in parameters:
        assert signature.parameters["variant"].default == "corrected"


def test_plain_functions_return_one_float():
    positions, motion = smooth(0, 90, 55, 3), smooth(0, 90, 141)
    values = [
        fgd.frechet_distance(motion, motion + 1),
        beat_align.beat_alignment(motion, WAVEFORM, 16000, 15, variant="beat2022", sigma_s=0.3),
        beat_align.beat_alignment_positions(
            positions, WAVEFORM, 16000, 30, np.ones(55), variant="emage2024", mask_frames=5
        ),
        srgr.srgr(motion, motion + 1, np.ones(90), threshold_deg=4.0, variant="beat2022"),
        diversity.l1_diversity(motion, variant="beat2022"),
        kinematics.hellinger([1, 2, 3], [3, 2, 1]),
        kinematics.cca(positions, positions[::-1], variant="genea"),
    ]
    assert all(type(value) is float and np.isfinite(value) for value in values)
