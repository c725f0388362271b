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


# Offsets around 180 degrees


def turning(num_frames: int, seed: int, largest_deg: float) -> torch.Tensor:
    """Smooth rotations of one joint about an axis that drifts, (T, 3, 3), float64."""
    draw = torch.Generator().manual_seed(seed)
    frames = torch.arange(num_frames, dtype=torch.float64)[:, None]
    frequency = 0.05 + 0.2 * torch.rand(1, 3, generator=draw, dtype=torch.float64)
    phase = 6 * torch.rand(1, 3, generator=draw, dtype=torch.float64)
    vector = torch.deg2rad(torch.tensor(largest_deg)) * torch.sin(frequency * frames + phase) / 3**0.5
    return rotation.axis_angle_to_matrix(vector)


def turn_per_frame_deg(matrix: torch.Tensor) -> float:
    return float(torch.rad2deg(rotation.angle_between(matrix[:-1], matrix[1:])).max())


def spliced(generated: torch.Tensor, given_motion: torch.Tensor, mask: torch.Tensor, fps: float) -> torch.Tensor:
    """One joint, (T, 3, 3) each, through the public function."""
    place = LAYOUT.joints.index("RightArm")
    motions = []
    for matrix in (generated, given_motion):
        rest = torch.eye(3, dtype=torch.float64).repeat(len(matrix), LAYOUT.num_joints, 1, 1)
        rest[:, place] = matrix
        motions.append(from_matrices(rest, LAYOUT, torch.zeros(len(matrix), 3, dtype=torch.float64)))
    joints = torch.zeros(len(mask), LAYOUT.num_joints + 1, dtype=torch.bool)
    joints[:, place] = mask
    result = splice_motion(*motions, joints, layout=LAYOUT, fps=fps)
    columns = column_mask(joints, LAYOUT)
    assert torch.equal(result[columns], motions[1][columns])  # given frames are exact
    return to_matrices(result, LAYOUT)[:, place]


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    offset_deg=st.floats(150, 210),
    wobble_deg=st.floats(0, 60),
    stop=st.integers(22, 70),
    fps=st.sampled_from([15.0, 30.0, 60.0]),
)
def test_an_offset_near_180_degrees_fades_without_a_jump(seed, offset_deg, wobble_deg, stop, fps):
    num_frames = 90
    generated = turning(num_frames, seed, 60.0)
    axis = torch.nn.functional.normalize(torch.randn(3, generator=torch.Generator().manual_seed(seed)), dim=0).double()
    half_turn = rotation.axis_angle_to_matrix(torch.deg2rad(torch.tensor(offset_deg, dtype=torch.float64)) * axis)
    given_motion = turning(num_frames, seed + 1, wobble_deg) @ half_turn @ generated
    mask = torch.zeros(num_frames, dtype=torch.bool)
    mask[20:stop] = True
    result = spliced(generated, given_motion, mask, fps)
    sources = turn_per_frame_deg(generated), turn_per_frame_deg(given_motion)
    offset_turn = turn_per_frame_deg(given_motion @ generated.transpose(-1, -2))
    fade = 1.5 * 180 / (round(0.5 * fps) + 1)  # the fastest frame of a cubic over half a turn
    # A rotation vector of length pi moves at most pi / 2 times as fast as its rotation.
    assert turn_per_frame_deg(result) <= max(*sources, sources[0] + 1.6 * offset_turn + fade) + 1e-6


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), gap=st.integers(1, 16), fps=st.sampled_from([15.0, 30.0]))
def test_a_gap_between_two_offsets_of_180_degrees_is_crossed_without_a_turn(seed, gap, fps):
    """Offsets of 179 and 181 degrees differ by 2 degrees, though their rotation vectors point to opposite sides."""
    num_frames = 40 + gap
    generated = turning(num_frames, seed, 40.0)
    across_deg = torch.linspace(177, 183, num_frames, dtype=torch.float64)[:, None]
    axis = torch.nn.functional.normalize(torch.randn(3, generator=torch.Generator().manual_seed(seed)), dim=0).double()
    given_motion = rotation.axis_angle_to_matrix(torch.deg2rad(across_deg) * axis) @ generated
    mask = torch.ones(num_frames, dtype=torch.bool)
    mask[20 : 20 + gap] = False
    result = spliced(generated, given_motion, mask, fps)
    blend = round(0.5 * fps)
    leaves = gap > blend  # a longer gap lets the offset fade towards zero and come back
    fade = 2 * 1.5 * 180 / (blend + 1) if leaves else 1.0
    assert turn_per_frame_deg(result) <= turn_per_frame_deg(generated) + turn_per_frame_deg(given_motion) + fade


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), stop=st.integers(22, 70), second=st.integers(0, 1))
def test_smaller_offsets_fade_as_rotation_vectors_do(seed, stop, second):
    """Below 90 degrees the curve is the cubic on the plain rotation vectors."""
    num_frames = 90
    offset = rotation.matrix_to_axis_angle(turning(num_frames, seed, 80.0))[:, None]
    mask = torch.zeros(num_frames, 1, dtype=torch.bool)
    mask[20:stop] = True
    mask[stop + 4 : stop + 8] = bool(second)
    plain, turned = (faded(offset, mask, fps=FPS, rotations=rotations) for rotations in (False, True))
    torch.testing.assert_close(turned, plain, atol=1e-9, rtol=0)


def test_an_offset_that_crosses_180_degrees_at_the_border_continues_in_its_direction():
    """Known case: 160, 170, 180, 190 degrees about one axis; the fade goes on to 360 degrees, the shorter way."""
    angle = torch.deg2rad(torch.tensor([160.0, 170, 180, 190] + 20 * [0.0], dtype=torch.float64))
    vector = rotation.matrix_to_axis_angle(rotation.axis_angle_to_matrix(angle[:, None] * torch.eye(3).double()[0]))
    assert vector[3, 0] < 0  # 190 degrees are stored as -170
    mask = torch.arange(24)[:, None] < 4
    result = faded(vector[:, None], mask, fps=FPS, rotations=True)[:, 0]
    steps_deg = torch.rad2deg(
        rotation.angle_between(*(rotation.axis_angle_to_matrix(result[a:b]) for a, b in ((0, -1), (1, None))))
    )
    assert steps_deg[3] == pytest.approx(12, abs=3)
    assert steps_deg.max() < 30
    assert torch.rad2deg(result[4, 0]) == pytest.approx(-158, abs=5)
    assert result[12:].abs().max() < 1e-9
