import pytest
import torch

from emage.errors import InputError
from emage.motion.contact import CONTACT_JOINTS, foot_contact
from emage.motion.layout import part_joints


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
