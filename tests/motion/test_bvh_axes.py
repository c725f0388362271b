import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.motion.bvh import bvh_from_rotations, read_bvh, write_bvh
from emage.motion.bvh_axes import to_z_up, y_up_to_z_up
from emage.motion.skeleton import Skeleton


def motion(seed: int = 0, order: str = "XYZ"):
    draw = torch.Generator().manual_seed(seed)
    skeleton = Skeleton(("a", "b", "c", "d"), (-1, 0, 1, 1), torch.randn(4, 3, generator=draw) * 10)
    angles = torch.rand(20, 4, 3, generator=draw) * 720 - 360
    return bvh_from_rotations(
        skeleton, angles, root_translation_cm=torch.randn(20, 3, generator=draw) * 50, fps=30, order=order
    )


@given(seed=st.integers(0, 1000), order=st.sampled_from(["XYZ", "ZXY", "YXZ"]))
def test_every_joint_is_where_the_turned_world_has_it(seed, order):
    before, after = motion(seed, order), to_z_up(motion(seed, order))
    torch.testing.assert_close(after.positions(), y_up_to_z_up(before.positions()))
    assert before.end_sites
    for (_, turned), (_, offset) in zip(after.end_sites, before.end_sites, strict=True):
        torch.testing.assert_close(turned, y_up_to_z_up(offset))


def test_the_rest_pose_stands_upright_and_angles_are_the_same_numbers(tmp_path):
    before = motion()
    after = to_z_up(before)
    assert after.order(1) == "XZY"
    assert torch.equal(after.values.abs(), before.values.abs())
    up = torch.tensor([0.0, 1.0, 0.0]).double()
    assert y_up_to_z_up(up).tolist() == [0, 0, 1]
    write_bvh(tmp_path / "z.bvh", after, scale_to_cm=100)
    back = read_bvh(tmp_path / "z.bvh", scale_to_cm=100)
    torch.testing.assert_close(
        back.positions(), after.positions(), atol=2e-3, rtol=0
    )  # a micrometre of the file's metres
    metres = read_bvh(tmp_path / "z.bvh")
    torch.testing.assert_close(metres.offsets_cm * 100, after.offsets_cm)
