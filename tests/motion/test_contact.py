import pytest
import torch
from tiny_bundles import skeleton

from emage.errors import InputError
from emage.motion.contact import CONTACT_JOINTS, contact_of_motion, foot_contact, foot_positions
from emage.motion.convert import from_matrices, to_matrices
from emage.motion.layout import Layout, get_layout, part_joints
from emage.motion.rotation import euler_to_matrix
from emage.motion.skeleton import forward_kinematics


def walk(fps: float, speed_cm_s: float, seconds: float = 2.0) -> torch.Tensor:
    """One foot that moves along x at a constant speed: (1, T, 1, 3)."""
    time_s = torch.arange(int(seconds * fps)) / fps
    x = time_s * speed_cm_s
    return torch.stack([x, torch.zeros_like(x), torch.zeros_like(x)], dim=-1)[None, :, None]


@pytest.mark.parametrize("fps", [15, 30, 120])
@pytest.mark.parametrize(("speed_cm_s", "rests"), [(0.0, True), (29.0, True), (31.0, False)])
def test_threshold_is_a_speed_and_means_the_same_at_any_frame_rate(fps, speed_cm_s, rests):
    assert foot_contact(walk(fps, speed_cm_s), fps).eq(rests).all()


def test_the_threshold_can_be_chosen():
    assert foot_contact(walk(30, 40.0), 30, max_speed_cm_s=50.0).all()


def test_contact_does_not_depend_on_where_the_person_stands():
    motion = walk(30, 20.0)
    moved = motion + torch.tensor([500.0, 0.0, -300.0])
    assert torch.equal(foot_contact(motion, 30), foot_contact(moved, 30))


def test_label_describes_the_step_that_leaves_the_frame():
    rest_then_jump = torch.tensor([0.0, 0.0, 50.0, 50.0])[None, :, None, None] * torch.tensor([1.0, 0.0, 0.0])
    assert foot_contact(rest_then_jump, 30).flatten().tolist() == [True, False, True, True]


def test_every_foot_of_every_person_has_its_own_label():
    feet = torch.cat([walk(30, 0.0), walk(30, 100.0)], dim=2)  # (1, T, 2, 3)
    batch = torch.stack([feet, feet.flip(2)])  # (2, 1, T, 2, 3)
    contact = foot_contact(batch, 30)
    assert contact.shape == (2, 1, 60, 2)
    assert contact[0, 0].all(dim=0).tolist() == [True, False]
    assert torch.equal(contact[0], contact[1].flip(-1))
    assert torch.equal(foot_contact(feet[0], 30), contact[0, 0])


def test_the_labelled_joints_are_feet():
    assert set(CONTACT_JOINTS) <= set(part_joints("lower"))


@pytest.mark.parametrize(
    ("frames", "fps", "message"), [(1, 30, "at least 2 frames: got 1"), (5, 0, "fps must be positive: got 0")]
)
def test_bad_input_is_named(frames, fps, message):
    with pytest.raises(InputError, match=message):
        foot_contact(torch.zeros(1, frames, 2, 3), fps)


def someone(num_frames: int, seed: int = 0) -> tuple[torch.Tensor, Layout]:
    layout = get_layout("beat_full_rot6d")
    generator = torch.Generator().manual_seed(seed)
    euler_deg = 40 * torch.randn(num_frames, 75, 3, generator=generator, dtype=torch.float64)
    root_cm = 50 * torch.randn(num_frames, 3, generator=generator, dtype=torch.float64)
    return from_matrices(euler_to_matrix(euler_deg, "XYZ"), layout, root_cm), layout


def test_feet_are_where_the_whole_skeleton_has_them():
    motion, layout = someone(5)
    body = skeleton(1.3)
    offsets = body.offsets_cm[body.indices(layout.joints)]
    translation = offsets.expand(5, -1, -1).clone()
    translation[:, body.index("Hips")] = motion[:, layout.translation_slice]
    everywhere, _ = forward_kinematics(to_matrices(motion, layout), body.parents, translation)
    expected = everywhere[:, body.indices(CONTACT_JOINTS)]
    torch.testing.assert_close(foot_positions(motion, layout, offsets), expected)
    batch = foot_positions(motion.expand(2, -1, -1), layout, torch.stack([offsets, 2 * offsets]))
    torch.testing.assert_close(batch[0], expected)
    assert not torch.allclose(batch[1], expected)


def test_contact_of_a_motion_is_that_of_its_feet():
    motion, layout = someone(6)
    motion = motion[:1] + 0.02 * (motion - motion[:1])  # slow enough for some feet to rest
    offsets = skeleton().offsets_cm
    labels = contact_of_motion(motion, layout, offsets, 15.0)
    assert labels.shape == (6, 4)
    assert torch.equal(labels, foot_contact(foot_positions(motion, layout, offsets), 15.0).double())
    assert 0 < labels.mean() < 1
    assert torch.equal(contact_of_motion(motion[:1], layout, offsets, 15.0), torch.ones(1, 4, dtype=torch.float64))
