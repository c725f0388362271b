import pytest
import torch
from tiny_bundles import skeleton

from emage.errors import InputError
from emage.motion.contact import contact_of_motion
from emage.motion.convert import from_matrices, to_matrices
from emage.motion.layout import get_layout
from emage.motion.parts import MIN_ROT6D_SCALE, MIN_TRANSLATION_SCALE_CM, MIN_WEIGHT_SCALE, TOKEN_PARTS, PartValues
from emage.motion.rotation import euler_to_matrix

FULL = get_layout("beat_full_rot6d")


def someone(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    euler_deg = 30 * torch.randn(*shape, 75, 3, generator=generator)
    return from_matrices(euler_to_matrix(euler_deg, "XYZ"), FULL, 5 * torch.randn(*shape, 3, generator=generator))


@pytest.mark.parametrize(
    ("part", "layout", "sizes"),
    [
        ("upper", "beat_full_rot6d", (66, 11, 0, 0)),
        ("upper", "beat_141_rot6d", (66, 11, 0, 0)),
        ("hands", "beat_full_rot6d", (276, 46, 0, 0)),
        ("hands", "beat_141_rot6d", (216, 36, 0, 0)),
        ("lower", "beat_full_rot6d", (115, 18, 3, 4)),
        ("all", "beat_full_rot6d", (453, 75, 3, 0)),
        ("face", "beat_full_rot6d", (51, 0, 0, 0)),
    ],
)
def test_sizes(part, layout, sizes):
    values = PartValues.of(part, layout)
    assert (values.num_values, len(values.joints), values.num_translation, values.num_contact) == sizes
    assert values.rest().shape == (values.num_values,)


def test_the_parts_of_a_body_hold_every_column_once():
    columns = torch.cat([PartValues(part, FULL).columns for part in TOKEN_PARTS])
    assert sorted(columns.tolist()) == list(range(FULL.dim))


@pytest.mark.parametrize("part", ["upper", "hands", "lower", "all"])
def test_values_can_be_read_back(part):
    motion, values = someone(2, 6), PartValues(part, FULL)
    offsets = skeleton().offsets_cm.float().expand(2, -1, -1)
    rows = values.of_motion(motion, offsets, fps=15.0)
    assert rows.shape == (2, 6, values.num_values)
    places = [FULL.joints.index(name) for name in values.joints]
    torch.testing.assert_close(values.matrices(rows), to_matrices(motion, FULL)[..., places, :, :])
    assert torch.equal(values.translation(rows), motion[..., : values.num_translation])
    if part == "lower":
        assert torch.equal(values.contact(rows), contact_of_motion(motion, FULL, offsets, 15.0))
        assert values.contact(values.of_motion(motion, None, fps=15.0)).eq(1).all()


def test_rest_is_no_turn_and_no_face():
    assert torch.equal(
        PartValues("lower", FULL).matrices(PartValues("lower", FULL).rest()), torch.eye(3).expand(18, 3, 3)
    )
    assert PartValues("face", FULL).rest().eq(0).all()


def test_normalised_values_are_of_size_one_and_noise_stays_small():
    values = PartValues("lower", FULL)
    std = torch.zeros(FULL.dim)
    std[0] = 7.0  # the root along x moves, along y and z only by noise
    std[FULL.joint_slice("Spine1")] = torch.tensor([0.3, 0.4, 0.0, 0.0, 0.0, 0.0])
    mean, scale = values.mean_and_scale({FULL.name: torch.arange(FULL.dim).float()}, {FULL.name: std})
    assert torch.equal(mean[:-4], values.columns.float())
    assert scale[:3].tolist() == [7.0, *[pytest.approx(MIN_TRANSLATION_SCALE_CM)] * 2]
    joints = scale[3:-4].view(-1, 6)
    assert torch.equal(joints, joints[:, :1].expand(-1, 6))  # one rotation, one scale
    by_name = dict(zip(values.joints, joints[:, 0].tolist(), strict=True))
    own = (0.25 / 6) ** 0.5
    assert by_name.pop("Spine1") == pytest.approx((own * own / 18**0.5) ** 0.5)  # the other 17 joints rest
    assert list(by_name.values()) == pytest.approx([MIN_ROT6D_SCALE] * 17)
    contact = (torch.tensor([[0.0], [1.0]]) - mean[-4:]) / scale[-4:]
    assert contact.tolist() == [[-1.0] * 4, [1.0] * 4]
    face = PartValues("face", FULL).mean_and_scale({"arkit_51": torch.ones(51)}, {"arkit_51": torch.zeros(51)})
    assert face[1].tolist() == [pytest.approx(MIN_WEIGHT_SCALE)] * 51


@pytest.mark.parametrize(
    ("part", "layout", "message"),
    [
        ("upper", "beat_full", "got beat_full; a vqvae takes beat_full_rot6d or beat_141_rot6d"),
        ("lower", "beat_141_rot6d", "it has no joint of the part 'lower'"),
        ("tail", "beat_full_rot6d", "body part: got 'tail'"),
    ],
)
def test_what_cannot_be_is_named(part, layout, message):
    with pytest.raises(InputError, match=message):
        PartValues.of(part, layout)
