import pytest
import torch

from emage.config import MotionVQVAEConfig
from emage.errors import InputError
from emage.models import MotionVQVAE, vqvae
from emage.motion.layout import get_layout

BOTH = pytest.mark.parametrize("codebook", ["ema", "straight_through"])
STEPS = pytest.mark.parametrize("downsample", [1, 2, 4])


def small(**options) -> MotionVQVAEConfig:
    return MotionVQVAEConfig(**{"channels": 16, "codebook_size": 32, "code_dim": 16, **options})


def waves(batch: int, num_frames: int, num_values: int) -> torch.Tensor:
    phase = torch.rand(batch, 1, num_values, generator=torch.Generator().manual_seed(0)) * 6
    return torch.sin(torch.arange(num_frames)[None, :, None] / 4 + phase)


def trained(**options) -> MotionVQVAE:
    """With a codebook that has seen one batch, in evaluation mode."""
    torch.manual_seed(0)
    model = MotionVQVAE(small(**options))
    model(waves(4, 34, model.num_values))
    return model.eval()


@BOTH
@STEPS
@pytest.mark.parametrize("part, num_values", [("upper", 66), ("lower", 3 + 6 * 18 + 4), ("face", 51)])
@pytest.mark.parametrize("num_frames", [1, 2, 35])
def test_shapes_of_every_part(codebook, downsample, part, num_values, num_frames):
    model = MotionVQVAE(small(codebook=codebook, part=part, downsample=downsample, num_quantizers=3, code_dim=12))
    num_steps = -(-num_frames // downsample)
    assert model.num_values == num_values
    values = torch.randn(3, num_frames, num_values)
    output = model(values)
    assert output.reconstruction.shape == values.shape
    assert output.codes.shape == (3, num_steps, 3)
    assert output.codes.min() >= 0
    assert output.codes.max() < 32
    assert output.commitment_loss.shape == output.perplexity.shape == ()
    assert model.lookup(output.codes).shape == (3, num_steps, 12)
    assert model.decode(output.codes, num_frames).shape == values.shape
    assert model.level_embeddings(2).shape == (32, 12)


@pytest.mark.parametrize("layout", ["beat_141_rot6d", "beat_full_rot6d"])
def test_upper_body_is_the_same_in_both_layouts(layout):
    model = MotionVQVAE(small(layout=layout, part="upper"))
    joints = get_layout(layout).held_joints("upper")
    assert model.num_values == 6 * len(joints) == 66


def test_an_untrained_decoder_says_nearly_the_mean():
    torch.manual_seed(0)
    model = MotionVQVAE(small(part="upper")).eval()
    mean = torch.randn(66)
    model.set_features(mean, torch.full((66,), 0.1), fps=30.0)
    rows = model.decode(torch.randint(0, 32, (2, 20, 1)), 20)
    assert (rows - mean).abs().max() < 0.05


def test_values_are_raw_and_the_units_of_a_column_do_not_matter():
    """Metres instead of centimetres, with the statistics in metres too: the same codes, the same motion."""
    plain, scaled = (trained(part="face", downsample=2) for _ in range(2))
    factor, shift = torch.linspace(0.1, 9.0, 51), torch.linspace(-3.0, 3.0, 51)
    scaled.load_state_dict(plain.state_dict())
    scaled.set_features(factor * plain.feature_mean + shift, factor * plain.feature_scale, fps=15.0)
    values = waves(4, 21, 51)
    codes = plain.encode(values)
    assert torch.equal(scaled.encode(factor * values + shift), codes)
    torch.testing.assert_close(scaled.decode(codes, 21), factor * plain.decode(codes, 21) + shift)


def test_normalisation_is_saved_with_the_weights():
    model = MotionVQVAE(small(part="face"))
    model.set_features(torch.arange(51.0), torch.arange(1.0, 52.0), fps=30.0)
    other = MotionVQVAE(small(part="face"))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.feature_mean, model.feature_mean)
    assert torch.equal(other.feature_scale, model.feature_scale)
    assert other.fps == 30.0


@BOTH
@STEPS
def test_decoded_codes_are_the_reconstruction(codebook, downsample):
    model = trained(codebook=codebook, downsample=downsample, num_quantizers=2)
    values = waves(4, 33, model.num_values)
    output = model(values)
    codes = model.encode(values)
    assert torch.equal(codes, output.codes)
    torch.testing.assert_close(model.decode(codes, 33), output.reconstruction, rtol=0, atol=1e-5)
    assert torch.equal(model.decode(codes, 33), model.decode_latents(model.lookup(codes), 33))
    assert torch.equal(model(values).reconstruction, output.reconstruction)


@BOTH
def test_a_window_that_is_not_quantized_is_decoded_from_its_own_latents(codebook):
    model = trained(codebook=codebook, codebook_size=2)
    values = waves(3, 34, model.num_values)
    output = model(values, None, torch.tensor([True, False, True]))
    plain = model(values)
    own = model.decode_latents(model._latents(values, None), 34)
    torch.testing.assert_close(output.reconstruction[[0, 2]], own[[0, 2]])
    torch.testing.assert_close(output.reconstruction[1], plain.reconstruction[1])
    assert (output.reconstruction[0] - plain.reconstruction[0]).abs().max() > 1e-3
    assert torch.equal(output.codes, plain.codes)  # they are quantized, and learned from, all the same


@BOTH
def test_latents_are_the_sum_over_the_levels(codebook):
    model = trained(codebook=codebook, num_quantizers=3)
    codes = torch.randint(0, 32, (2, 7, 3))
    by_hand = sum(model.level_embeddings(q)[codes[..., q]] for q in range(3))
    torch.testing.assert_close(model.lookup(codes), by_hand)


@BOTH
def test_every_level_brings_the_latents_nearer(codebook):
    model = trained(codebook=codebook, num_quantizers=4, part="face")
    values = waves(4, 34, 51)
    latents = model._latents(values, None)
    codes = model.encode(values)
    errors = [(latents - sum(model.level_embeddings(k)[codes[..., k]] for k in range(q))).norm() for q in range(5)]
    assert all(after < before for before, after in zip(errors, errors[1:], strict=False))


@STEPS
@pytest.mark.parametrize("num_frames", [1, 5, 6, 7])
def test_a_tail_is_continued_by_holding_its_last_frame(downsample, num_frames):
    model = trained(downsample=downsample, part="face")
    values = waves(2, num_frames, 51)
    held = torch.cat([values, values[:, -1:].expand(-1, -num_frames % downsample, -1)], dim=1)
    assert torch.equal(model.encode(values), model.encode(held))


@STEPS
def test_a_long_sequence_in_chunks_is_exact(downsample, monkeypatch):
    """Codes and motion do not know where the chunks end; the last one is shorter than the others."""
    model = trained(downsample=downsample, num_quantizers=2, part="face")
    values = waves(1, 301, 51)
    whole_codes = model.encode(values)
    whole = model.decode(whole_codes, 301)
    monkeypatch.setattr(vqvae, "CHUNK_STEPS", 16)
    assert torch.equal(model.encode(values), whole_codes)
    torch.testing.assert_close(model.decode(whole_codes, 301), whole, rtol=0, atol=1e-6)


def test_frames_that_are_not_valid_are_the_mean_whatever_stands_there():
    model = trained(part="face", downsample=2)
    values = waves(2, 20, 51)
    valid = torch.ones(2, 20, dtype=torch.bool)
    valid[:, 7:9] = False
    spoiled = values.masked_fill(~valid[..., None], float("nan"))
    as_mean = torch.where(valid[..., None], values, model.feature_mean)
    assert torch.equal(model(spoiled, valid).codes, model(as_mean).codes)


@BOTH
def test_one_batch_can_be_learned_with_many_codes(codebook):
    torch.manual_seed(0)
    model = MotionVQVAE(small(codebook=codebook, channels=32, code_dim=8))
    values = waves(4, 34, model.num_values)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    errors = []
    for _ in range(150):
        output = model(values)
        error = (output.reconstruction - values).abs().mean()
        optimizer.zero_grad()
        (error + output.commitment_loss).backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
    assert output.perplexity > 8


@BOTH
def test_gradients_reach_every_parameter(codebook):
    torch.manual_seed(0)
    options = {"num_layers": 3, "code_dim": 12, "num_quantizers": 2, "downsample": 4}
    model = MotionVQVAE(small(codebook=codebook, **options)).double()
    output = model(waves(2, 20, model.num_values).double())
    (output.reconstruction.square().mean() + output.commitment_loss).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


@pytest.mark.parametrize("options", [{"downsample": 3}, {"num_quantizers": 0}, {"part": "tail"}])
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=f"model.{next(iter(options))}: got"):
        small(**options)
