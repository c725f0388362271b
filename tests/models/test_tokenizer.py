import collections
import dataclasses

import pytest
import torch
from motion.test_parts import FULL, someone
from tiny_bundles import skeleton
from torch.utils._python_dispatch import TorchDispatchMode

from emage.config import MotionVQVAEConfig
from emage.errors import InputError
from emage.models import MotionTokenizer
from emage.models.quantizer import update_codebooks
from emage.motion.convert import to_matrices
from emage.motion.parts import PartValues

PARTS = ("upper", "hands", "lower", "face")


def configs(*parts: str, **options) -> dict[str, MotionVQVAEConfig]:
    sizes = {"channels": 8, "num_layers": 1, "codebook_size": 16, "code_dim": 8, "num_quantizers": 2, "downsample": 2}
    return {part: MotionVQVAEConfig(part=part, **(sizes | options)) for part in parts or PARTS}


def tokenizer(*parts: str, **options) -> MotionTokenizer:
    """With codebooks that have seen one batch."""
    torch.manual_seed(0)
    made = MotionTokenizer(configs(*parts, **options))
    layout = made.layout
    motion = someone(4, 20) if layout == FULL else torch.randn(4, 20, layout.dim)
    for part, values in made.part_values(motion, torch.rand(4, 20, 51), None).items():
        made.vqvaes[part](values)
        update_codebooks(made.vqvaes[part].quantizer.levels)
    return made.eval().requires_grad_(False)


def bones(batch: int) -> torch.Tensor:
    return skeleton().offsets_cm.float().expand(batch, -1, -1)


def test_parts_come_in_one_order_whatever_order_they_are_given_in():
    made = MotionTokenizer(dict(reversed(configs().items())))
    assert made.parts == PARTS
    assert list(made.vqvaes) == list(PARTS)
    assert (made.layout.name, made.downsample, made.fps) == ("beat_full_rot6d", 2, 15.0)


@pytest.mark.parametrize("num_frames", [1, 2, 35])
def test_from_motion_to_codes_to_motion(num_frames):
    made = tokenizer()
    motion, face = someone(3, num_frames), torch.rand(3, num_frames, 51)
    values = made.part_values(motion, face, bones(3))
    codes = made.encode(values)
    assert list(codes) == list(PARTS)
    num_steps = made.num_steps(num_frames)
    assert num_steps == -(-num_frames // 2)
    assert {rows.shape for rows in codes.values()} == {(3, num_steps, 2)}
    assert {rows.shape for rows in made.lookup(codes).values()} == {(3, num_steps, 8)}
    decoded = made.decode(codes, num_frames)
    assert decoded.motion.shape == motion.shape
    assert decoded.face.shape == face.shape
    assert decoded.contact.shape == (3, num_frames, 4)
    rows = decoded.motion[..., FULL.rotation_slice].unflatten(-1, (75, 2, 3))
    torch.testing.assert_close(rows @ rows.mT, torch.eye(2).expand(3, num_frames, 75, 2, 2), atol=1e-5, rtol=0)
    assert decoded.face.min() >= 0
    assert decoded.contact.max() <= 1
    again = made.decode(made.encode(values), num_frames)
    assert torch.equal(again.motion, decoded.motion)


def test_each_part_is_decoded_by_its_own_vqvae_into_its_own_columns():
    made = tokenizer()
    motion = someone(2, 12)
    values = made.part_values(motion, torch.rand(2, 12, 51), bones(2))
    decoded = made.decode(made.encode(values), 12)
    for part in ("upper", "hands", "lower"):
        meaning = PartValues(part, FULL)
        alone = made.vqvaes[part].decode(made.vqvaes[part].encode(values[part]), 12)
        places = [FULL.joints.index(name) for name in meaning.joints]
        torch.testing.assert_close(
            to_matrices(decoded.motion, FULL)[..., places, :, :], meaning.matrices(alone), atol=1e-5, rtol=0
        )
        if meaning.num_translation:
            assert torch.equal(decoded.motion[..., FULL.translation_slice], meaning.translation(alone))


def test_parts_that_are_not_there_are_unturned():
    made = tokenizer("hands", "face")
    motion = someone(2, 8)
    values = made.part_values(motion, torch.rand(2, 8, 51), None)
    assert list(values) == ["hands", "face"]
    decoded = made.decode(made.encode(values), 8)
    others = [FULL.joints.index(name) for name in FULL.joints if name not in FULL.held_joints("hands")]
    assert torch.equal(
        to_matrices(decoded.motion, FULL)[..., others, :, :], torch.eye(3).expand(2, 8, len(others), 3, 3)
    )
    assert decoded.motion[..., FULL.translation_slice].eq(0).all()
    assert decoded.contact is None
    some = made.decode({"hands": made.encode(values)["hands"]}, 8)
    assert some.face is None
    assert torch.equal(some.motion, decoded.motion)


def test_without_a_face_the_face_has_no_codes():
    made = tokenizer()
    assert "face" not in made.part_values(someone(1, 4), None, bones(1))


def test_the_benchmarks_joints_alone():
    made = tokenizer("upper", "hands", layout="beat_141_rot6d")
    motion = torch.randn(2, 9, 282)
    decoded = made.decode(made.encode(made.part_values(motion, None, None)), 9)
    assert decoded.motion.shape == (2, 9, 282)
    assert decoded.face is decoded.contact is None


def test_the_feet_are_seen_with_the_bones_and_at_the_rate_of_the_training():
    made = tokenizer("lower")
    motion = someone(1, 4).expand(1, -1, -1)
    slow = motion[:, :1] + 0.3 * (motion - motion[:, :1])
    assert made.part_values(slow, None, None)["lower"][..., -4:].eq(1).all()
    labels = made.part_values(slow, None, bones(1))["lower"][..., -4:]
    made.vqvaes["lower"].fps.fill_(0.01)  # hardly any speed
    assert made.part_values(slow, None, bones(1))["lower"][..., -4:].sum() > labels.sum()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "tokenizer: no part given; give one or more of upper, hands, lower, face"),
        ({"all": configs("all")["all"]}, "got the part 'all'"),
        ({"upper": configs("hands")["hands"]}, "upper: its VQ-VAE is of the part 'hands'"),
        (
            {**configs("upper"), **configs("hands", downsample=4)},
            "model.downsample differs: upper 2, hands 4; train all parts with one",
        ),
        (
            {**configs("upper"), **configs("hands", layout="beat_141_rot6d")},
            "model.layout differs: upper beat_full_rot6d, hands beat_141_rot6d",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_named(given, message):
    with pytest.raises(InputError, match=message):
        MotionTokenizer(given)


def test_codebooks_may_differ_from_part_to_part():
    mixed = {**configs("upper"), "hands": dataclasses.replace(configs("hands")["hands"], num_quantizers=3)}
    assert [vqvae.num_quantizers for vqvae in MotionTokenizer(mixed).vqvaes.values()] == [2, 3]


class OperatorCounts(TorchDispatchMode):
    """Counts what aten computes inside a `with` block."""

    def __enter__(self):
        self.counts = collections.Counter()
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[str(function.overloadpacket).removeprefix("aten.")] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("training", [False, True])
def test_encoding_computes_codes_and_nothing_else(training):
    """No loss, no perplexity, no histogram, and nothing that waits for an accelerator."""
    made = tokenizer().train(training)
    values = made.part_values(someone(2, 34), torch.rand(2, 34, 51), bones(2))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with OperatorCounts() as seen:
        codes = made.encode(values)
    levels = sum(rows.shape[-1] for rows in codes.values())
    assert seen.counts["argmin"] == levels == 8
    assert seen.counts["embedding"] == levels - len(PARTS)  # the last level leaves no residual
    unwanted = {"mse_loss", "bincount", "special_entr", "_local_scalar_dense", "nonzero", "index_add_", "lerp_", "exp"}
    assert not unwanted & set(seen.counts)
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
