import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.motion import rotation
from emage.motion.convert import from_matrices, to_matrices
from emage.motion.layout import get_layout
from emage.motion.splice import column_mask, faded, splice_channels, splice_motion

FPS = 15.0
LAYOUT = get_layout("beat_full_rot6d")


def smooth_motion(num_frames: int, seed: int) -> torch.Tensor:
    """Joints that swing by some tens of degrees, (T, D) rot6d with a root that walks."""
    draw = torch.Generator().manual_seed(seed)
    axis = torch.randn(LAYOUT.num_joints, 3, generator=draw)
    phase = torch.rand(LAYOUT.num_joints, generator=draw) * 6
    angle = 0.4 * torch.sin(torch.arange(num_frames)[:, None] * 0.25 + phase)  # (T, J)
    matrix = rotation.axis_angle_to_matrix(angle[..., None] * torch.nn.functional.normalize(axis, dim=-1))
    return from_matrices(matrix, LAYOUT, torch.arange(num_frames)[:, None] * torch.tensor([1.0, 0.0, 0.5]))


def arm_mask(num_frames: int, start: int, stop: int) -> torch.Tensor:
    mask = torch.zeros(num_frames, LAYOUT.num_joints + 1, dtype=torch.bool)
    mask[start:stop, [LAYOUT.joints.index(name) for name in ("RightArm", "RightForeArm")]] = True
    return mask


def test_given_frames_come_back_and_other_joints_stay():
    generated, given_motion, mask = smooth_motion(90, 0), smooth_motion(90, 1), arm_mask(90, 30, 60)
    result = splice_motion(generated, given_motion, mask, layout=LAYOUT, fps=FPS)
    columns = column_mask(mask, LAYOUT)
    assert torch.equal(result[columns], given_motion[columns])
    others = ~arm_mask(90, 0, 90)
    angle = rotation.angle_between(to_matrices(result, LAYOUT), to_matrices(generated, LAYOUT))
    assert angle[others[:, :-1]].max() < 1e-3
    assert torch.equal(result[:, :3], generated[:, :3])


def test_nothing_given_changes_nothing():
    generated = smooth_motion(20, 0)
    mask = torch.zeros(20, LAYOUT.num_joints + 1, dtype=torch.bool)
    assert splice_motion(generated, generated * torch.nan, mask, layout=LAYOUT, fps=FPS) is generated


def test_the_border_is_as_smooth_as_the_motions_themselves():
    generated, given_motion, mask = smooth_motion(120, 0), smooth_motion(120, 1), arm_mask(120, 40, 80)
    result = to_matrices(splice_motion(generated, given_motion, mask, layout=LAYOUT, fps=FPS), LAYOUT)
    cut = to_matrices(torch.where(column_mask(mask, LAYOUT), given_motion, generated), LAYOUT)
    arm = LAYOUT.joints.index("RightArm")

    def acceleration(matrix: torch.Tensor) -> torch.Tensor:
        return matrix[:, arm].diff(n=2, dim=0).flatten(1).norm(dim=1)

    inside = acceleration(to_matrices(generated, LAYOUT)).max() + acceleration(to_matrices(given_motion, LAYOUT)).max()
    assert acceleration(cut).max() > 2 * inside  # a hard cut jumps
    assert acceleration(result).max() < 1.5 * inside


def test_given_root_translation_is_joined():
    generated, given_motion = smooth_motion(60, 0), smooth_motion(60, 0)
    given_motion[:, :3] += 10
    mask = torch.zeros(60, LAYOUT.num_joints + 1, dtype=torch.bool)
    mask[20:30, -1] = True
    result = splice_motion(generated, given_motion, mask, layout=LAYOUT, fps=FPS)
    assert torch.equal(result[20:30, :3], given_motion[20:30, :3])
    assert (result[:, 0] - generated[:, 0]).diff().abs().max() < 3  # 10 cm over half a second, not in one frame
    assert torch.equal(result[45:, :3], generated[45:, :3])


def test_facial_channels():
    generated, given_face = torch.full((40, 2), 0.2), torch.full((40, 2), 0.8)
    mask = torch.zeros(40, 2, dtype=torch.bool)
    mask[10:20, 0] = True
    result = splice_channels(generated, given_face, mask, fps=FPS)
    assert torch.equal(result[:, 1], generated[:, 1])
    assert torch.equal(result[10:20, 0], given_face[10:20, 0])
    assert result[9, 0] == pytest.approx(0.8, abs=0.03)
    assert result[0, 0] == pytest.approx(0.2, abs=0.02)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.booleans(), min_size=2, max_size=40),
    st.floats(min_value=-3, max_value=3),
    st.floats(min_value=1, max_value=60),
)
def test_a_constant_offset_never_grows_and_meets_every_border(mask_values, offset, fps):
    mask = torch.tensor(mask_values)[:, None]
    result = faded(torch.full((len(mask), 1, 1), offset), mask, fps=fps)[:, 0, 0]
    assert torch.equal(result[mask[:, 0]], torch.full_like(result, offset)[mask[:, 0]])
    assert (result.abs() <= abs(offset) * 1.35 + 1e-6).all()  # both sides of a short gap fade at once
    assert (result * offset >= -1e-6).all()
