import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.face import lvd, mse
from emage.metrics.face_vertices import FaceVertices, lip_vertex_error, mean_vertex_error, upper_face_dynamics

LIPS, FACE, UPPER = [0, 1, 2], [0, 1, 2, 3, 4, 5, 6], [4, 5, 6, 6]
TEMPLATE = np.random.default_rng(9).normal(0, 0.05, (10, 3))


def example(seed: int = 0, num_frames: int = 30) -> np.ndarray:
    return TEMPLATE + np.random.default_rng(seed).normal(0, 0.002, (num_frames, 10, 3))


def test_lip_errors_by_their_formulas():
    pred, target = example(0), example(1)
    worst = np.sqrt(((pred - target)[:, LIPS] ** 2).sum(axis=-1)).max(axis=1) * 1000
    assert lip_vertex_error(pred, target, LIPS) == pytest.approx(worst.mean())
    assert lip_vertex_error(pred, target, LIPS, "max_squared") == pytest.approx((worst**2).mean())
    assert lip_vertex_error(pred, target, LIPS, "rms") == pytest.approx(np.sqrt((worst**2).mean()))


def test_one_millimetre_is_one():
    target = example()
    pred = target + np.array([0.0, 0.001, 0.0])
    assert lip_vertex_error(pred, target, LIPS) == pytest.approx(1)
    assert lip_vertex_error(pred, target, LIPS, "max_squared") == pytest.approx(1)
    assert mean_vertex_error(pred, target) == pytest.approx(1)
    assert mean_vertex_error(pred, target, FACE) == pytest.approx(1)


def test_codetalkers_fdd_is_signed_and_lets_too_much_and_too_little_cancel():
    target = example(1)
    pred = TEMPLATE + (target - TEMPLATE) * 2
    spread = [((side - TEMPLATE)[:, UPPER] ** 2).sum(axis=-1).std(axis=0) * 1e6 for side in (pred, target)]
    expected = (spread[1] - spread[0]).mean()
    assert upper_face_dynamics(pred, target, UPPER, TEMPLATE, "codetalker") == pytest.approx(expected)
    assert expected < 0
    assert upper_face_dynamics(pred, target, UPPER) > 0


def test_fdd_corrected_compares_liveliness_of_each_vertex():
    target = example(1)
    assert upper_face_dynamics(target, target, UPPER) == 0
    # Where the head stands in space does not matter, how far it moves does.
    assert upper_face_dynamics(target + 0.3, target, UPPER) == pytest.approx(0, abs=1e-9)
    still = np.broadcast_to(target.mean(axis=0), target.shape)
    spread = np.sqrt(target[:, UPPER].var(axis=0).sum(axis=-1)).mean() * 1000
    assert upper_face_dynamics(still, target, UPPER) == pytest.approx(spread)


def test_the_class_pools_frames_and_names_its_units():
    parts = [(example(0), example(1)), (example(2, 10), example(3, 10))]
    metric = FaceVertices(25, lips=LIPS, face=FACE, upper=UPPER, template_m=TEMPLATE)
    for pair in parts:
        metric.update(*pair)
    pred, target = (np.concatenate(side) for side in zip(*parts, strict=True))
    result = metric.compute()
    assert result["lve_max_l2_mm"] == pytest.approx(lip_vertex_error(pred, target, LIPS))
    assert result["lve_max_squared_mm2"] == pytest.approx(lip_vertex_error(pred, target, LIPS, "max_squared"))
    assert result["lve_rms_mm"] == pytest.approx(lip_vertex_error(pred, target, LIPS, "rms"))
    assert result["mve_mm"] == pytest.approx(mean_vertex_error(pred, target))
    assert result["ve_mm"] == pytest.approx(mean_vertex_error(pred, target, FACE))
    assert result["upper_face_mm"] == pytest.approx(mean_vertex_error(pred, target, UPPER))
    assert result["mse_mm2"] == pytest.approx(mse(pred, target) * 1e6)
    velocities = [lvd(*pair, 25) * 1000 for pair in parts]
    assert result["lvd_mm_s"] == pytest.approx(np.average(velocities, weights=[29, 9]))
    assert result["fdd_mm"] == pytest.approx(np.mean([upper_face_dynamics(*pair, UPPER) for pair in parts]))
    assert result["num_recordings"] == 2


def test_without_a_template_codetalkers_fdd_is_left_out():
    metric = FaceVertices(25, lips=LIPS, face=FACE, upper=UPPER)
    metric.update(example(), example(1))
    assert metric.compute()["fdd_codetalker_mm2"] is None
    with pytest.raises(InputError, match="give template_m"):
        upper_face_dynamics(example(), example(1), UPPER, variant="codetalker")


def test_one_frame_is_defined():
    metric = FaceVertices(25, lips=LIPS, face=FACE, upper=UPPER)
    metric.update(example(num_frames=1), example(1, num_frames=1))
    assert metric.compute()["lvd_mm_s"] is None
    assert metric.compute()["fdd_mm"] == 0


def test_bad_input_is_named():
    with pytest.raises(InputError, match="choose one of max_l2, max_squared, rms"):
        lip_vertex_error(example(), example(), LIPS, "max")
    with pytest.raises(InputError, match="choose one of corrected, codetalker"):
        upper_face_dynamics(example(), example(), UPPER, variant="singinghead")
    for lips in ([10], [-1], []):
        with pytest.raises(InputError, match="indices into a mesh of 10 vertices"):
            lip_vertex_error(example(), example(), lips)
    for pred in (example(num_frames=3), np.zeros((0, 10, 3)), np.zeros((30, 30))):
        with pytest.raises(InputError, match="expected .frames, vertices, 3. twice"):
            mean_vertex_error(pred, pred[:1] if len(pred) == 3 else pred)
    with pytest.raises(InputError, match="the real face holds a value that is not finite"):
        mean_vertex_error(example(), np.full((30, 10, 3), np.nan))
