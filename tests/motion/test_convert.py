import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.convert import convert, from_matrices, to_matrices
from emage.motion.layout import LAYOUTS, get_layout

BODY = [name for name in LAYOUTS if name.startswith("beat_")]


def full_motion(*shape: int, seed: int = 0, middle: float = 80.0) -> torch.Tensor:
    """A beat_full motion on the principal branch: (..., 228) float64."""
    generator = torch.Generator().manual_seed(seed)
    motion = (torch.rand(*shape, 228, generator=generator, dtype=torch.float64) * 2 - 1) * 170
    y = [column for column, name in enumerate(get_layout("beat_full").columns) if name.endswith("Yrotation")]
    motion[..., y] *= middle / 170
    return motion


def test_selects_and_reorders_bit_for_bit():
    motion = full_motion(4, middle=300.0)  # any branch: a selection must not touch the numbers
    benchmark = convert(motion, "beat_full", "beat_141")
    full, small = get_layout("beat_full").columns, get_layout("beat_141").columns
    assert torch.equal(benchmark, motion[:, [full.index(name) for name in small]])
    assert convert(motion, "beat_full", "beat_full") is motion


def test_rot6d_is_what_scipy_says():
    motion = full_motion(3)
    rows = convert(motion, "beat_full", "beat_full_rot6d")
    expected = Rotation.from_euler("XYZ", motion[:, 3:].reshape(-1, 3).numpy(), degrees=True).as_matrix()[:, :2]
    assert torch.equal(rows[:, :3], motion[:, :3])
    np.testing.assert_allclose(rows[:, 3:].reshape(-1, 2, 3).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(BODY, 2)))
def test_there_and_back(source, target):
    fill = full_motion(seed=1)
    motion = convert(full_motion(2, 5), "beat_full", source)
    there = convert(motion, source, target, fill)
    assert there.shape == (2, 5, get_layout(target).dim)
    back = convert(there, target, source, fill)
    if set(get_layout(source).joints) <= set(get_layout(target).joints):
        torch.testing.assert_close(back, motion, atol=1e-8, rtol=0)
    else:  # what the target does not hold comes back from the fill
        held = get_layout(source).joint_columns(get_layout(target).joints)
        lost = torch.tensor(sorted(set(range(motion.shape[-1])) - set(held.tolist())))
        torch.testing.assert_close(back[..., held], motion[..., held], atol=1e-8, rtol=0)
        expected = convert(fill, "beat_full", source)[lost].expand(2, 5, -1)
        torch.testing.assert_close(back[..., lost], expected, atol=1e-8, rtol=0)


def test_missing_joints_and_translation_come_from_the_fill():
    fill, motion = full_motion(seed=1), full_motion(6, seed=2)
    layout = get_layout("beat_full")
    result = convert(convert(motion, "beat_full", "beat_141"), "beat_141", "beat_full", fill)
    held = layout.joint_columns(get_layout("beat_141").joints)
    assert torch.equal(result[:, held], motion[:, held])
    rest = torch.tensor(sorted(set(range(layout.dim)) - set(held.tolist())))
    assert torch.equal(result[:, rest], fill[rest].expand(6, -1))
    assert torch.equal(result[:, layout.translation_slice], fill[:3].expand(6, -1))


def test_the_fill_takes_dtype_and_leaves_the_arguments_alone():
    fill, motion = full_motion(seed=1), torch.zeros(2, 141)
    before = fill.clone(), motion.clone()
    assert convert(motion, "beat_141", "beat_full", fill).dtype == torch.float32
    assert torch.equal(fill, before[0])
    assert torch.equal(motion, before[1])


def test_no_frames_stay_no_frames():
    assert convert(torch.zeros(0, 228), "beat_full", "beat_141_rot6d").shape == (0, 282)


@pytest.mark.parametrize("name", BODY)
def test_matrices_there_and_back(name):
    motion = convert(full_motion(4), "beat_full", name)
    matrix = to_matrices(motion, name)
    assert matrix.shape == (4, get_layout(name).num_joints, 3, 3)
    translation = motion[..., get_layout(name).translation_slice] if get_layout(name).has_translation else None
    torch.testing.assert_close(from_matrices(matrix, name, translation), motion, atol=1e-8, rtol=0)


def test_matrices_are_those_of_the_named_joints():
    motion = full_motion(3)
    matrix = to_matrices(motion, "beat_full")
    elbow = get_layout("beat_full").joints.index("RightForeArm")
    angles = motion[:, get_layout("beat_full").joint_slice("RArm1")]
    torch.testing.assert_close(matrix[:, elbow], rotation.euler_to_matrix(angles, "XYZ"))


def test_gradients_flow_through_a_change_of_kind():
    motion = convert(full_motion(1), "beat_full", "beat_141").requires_grad_()
    assert torch.autograd.gradcheck(lambda m: convert(m, "beat_141", "beat_141_rot6d"), (motion,), fast_mode=True)


FULL, SMALL = torch.zeros(2, 228), torch.zeros(2, 141)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: convert(SMALL, "beat_141", "beat_full"), "does not hold Hips, Spine1, Spine2, ..., the translation"),
        (lambda: convert(SMALL, "beat_full", "beat_141"), "layout beat_full: motion has 141 columns, expected 228"),
        (lambda: convert(SMALL, "beat_141", "beat_full", SMALL[0]), "fill has 141 columns, expected 228"),
        (lambda: convert(FULL, "beat_full", "arkit_51"), "beat_full cannot become arkit_51"),
        (lambda: convert(FULL, "beat_full", "smpl"), "choose one of beat_141"),
        (lambda: to_matrices(torch.zeros(2, 51), "arkit_51"), "facial weights are no rotations"),
        (lambda: from_matrices(torch.zeros(2, 75, 3, 3), "beat_141"), "got 75 joints, expected 47"),
        (lambda: from_matrices(torch.eye(3).repeat(75, 1, 1), "beat_full"), "give translation_cm"),
    ],
)
def test_what_cannot_be_converted_is_named(ask, message):
    with pytest.raises(InputError, match=message):
        ask()
