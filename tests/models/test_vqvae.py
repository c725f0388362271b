import pytest
import torch

from emage.config import MotionVQVAEConfig
from emage.models import MotionVQVAE
from emage.motion.layout import get_layout


def small(**options) -> MotionVQVAEConfig:
    return MotionVQVAEConfig(**{"channels": 16, "codebook_size": 32, "code_dim": 16, **options})


def waves(batch: int, num_frames: int, num_columns: int) -> torch.Tensor:
    phase = torch.rand(batch, 1, num_columns, generator=torch.Generator().manual_seed(0)) * 6
    return torch.sin(torch.arange(num_frames)[None, :, None] / 4 + phase)


@pytest.mark.parametrize("codebook", ["ema", "straight_through"])
@pytest.mark.parametrize("part", ["upper", "hands", "all"])
@pytest.mark.parametrize("num_frames", [1, 2, 35])
def test_shapes_of_every_part(codebook, part, num_frames):
    model = MotionVQVAE(small(codebook=codebook, part=part, code_dim=12))
    layout = get_layout("beat_141_rot6d")
    assert torch.equal(model.columns, layout.part_columns(part))
    motion = torch.randn(3, num_frames, layout.dim)[..., model.columns]
    output = model(motion)
    assert output.reconstruction.shape == motion.shape
    assert output.codes.shape == (3, num_frames)
    assert output.codes.min() >= 0
    assert output.codes.max() < 32
    assert output.commitment_loss.shape == output.perplexity.shape == ()


@pytest.mark.parametrize("layout, part", [("beat_141_rot6d", "upper"), ("beat_full_rot6d", "lower")])
def test_an_untrained_decoder_says_nearly_unturned_joints(layout, part):
    torch.manual_seed(0)
    model = MotionVQVAE(small(layout=layout, part=part)).eval()
    rows = model.decode(torch.randint(0, 32, (2, 20)))
    joints = rows[..., 3 if part == "lower" else 0 :].unflatten(-1, (-1, 6))
    assert (joints - torch.tensor([1.0, 0, 0, 0, 1, 0])).abs().max() < 0.5


def test_lower_body_with_translation():
    model = MotionVQVAE(small(layout="beat_full_rot6d", part="lower"))
    assert len(model.columns) == 3 + 6 * len(get_layout("beat_full_rot6d").held_joints("lower"))
    assert "columns" not in model.state_dict()


@pytest.mark.parametrize("codebook", ["ema", "straight_through"])
def test_decoded_codes_are_the_reconstruction(codebook):
    torch.manual_seed(0)
    model = MotionVQVAE(small(codebook=codebook))
    motion = waves(4, 34, len(model.columns))
    model(motion)  # starts the codebook
    model.eval()
    output = model(motion)
    assert torch.equal(model.encode(motion), output.codes)
    torch.testing.assert_close(model.decode(output.codes), output.reconstruction, rtol=0, atol=1e-5)
    assert torch.equal(model(motion).reconstruction, output.reconstruction)


@pytest.mark.parametrize("codebook", ["ema", "straight_through"])
def test_one_batch_can_be_learned_with_many_codes(codebook):
    torch.manual_seed(0)
    model = MotionVQVAE(small(codebook=codebook, channels=32, code_dim=8))
    motion = waves(4, 34, len(model.columns))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    errors = []
    for _ in range(150):
        output = model(motion)
        error = (output.reconstruction - motion).abs().mean()
        optimizer.zero_grad()
        (error + output.commitment_loss).backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
    assert output.perplexity > 8


@pytest.mark.parametrize("codebook", ["ema", "straight_through"])
def test_gradients_reach_every_parameter(codebook):
    torch.manual_seed(0)
    model = MotionVQVAE(small(codebook=codebook, num_layers=3, code_dim=12)).double()
    output = model(waves(2, 20, len(model.columns)).double())
    (output.reconstruction.square().mean() + output.commitment_loss).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []
