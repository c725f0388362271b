"""What the network may and may not see. Shapes: B batch, T frames, N steps, P values of a part, Q levels, K entries."""

import math

import pytest
import torch
from tiny_bundles import masked_bundle

from emage.config import MaskedTransformerConfig
from emage.errors import InputError
from emage.models.attention import TransformerLayer
from emage.models.masked_transformer import MaskedGestureTransformer
from emage.models.speech import INPUTS

B, T, FPS, RATE = 2, 11, 15.0, 16000
N = math.ceil(T / 2)


@pytest.fixture(scope="module")
def model() -> MaskedGestureTransformer:
    return masked_bundle().model


def inputs(model: MaskedGestureTransformer, seed: int = 0, num_frames: int = T) -> dict:
    """Everything given, nothing known, no hints."""
    draw = torch.Generator().manual_seed(seed)
    steps = math.ceil(num_frames / 2)
    widths = {part: vqvae.num_values for part, vqvae in model.tokenizer.vqvaes.items()}
    return {
        "speech": {
            "waveform": 0.1 * torch.randn(B, round(num_frames * RATE / FPS), generator=draw),
            "words": torch.randint(0, 16, (B, num_frames), generator=draw),
            "speaker": torch.tensor([0, 3]),
            "emotion": torch.randint(0, 8, (B, num_frames), generator=draw),
        },
        "given": {name: torch.ones(B, dtype=torch.bool) for name in INPUTS},
        "hints": {part: torch.randn(B, num_frames, width, generator=draw) for part, width in widths.items()},
        "hint_given": {part: torch.zeros(B, num_frames, width, dtype=torch.bool) for part, width in widths.items()},
        "codes": {part: torch.randint(0, 8, (B, steps, 2), generator=draw) for part in widths},
        "shown": {},
        "known": {part: torch.zeros(B, steps, dtype=torch.bool) for part in widths},
    }


def logits(model: MaskedGestureTransformer, values: dict) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return model(**values | {"shown": values["shown"] or values["codes"]}, fps=FPS, sample_rate=RATE).logits


def same(first: dict, second: dict) -> bool:
    return all(torch.equal(first[part], second[part]) for part in first)


def test_logits_of_every_code_at_any_length(model):
    for num_frames in (1, 2, 11, 40):
        found = logits(model, inputs(model, num_frames=num_frames))
        steps = math.ceil(num_frames / 2)
        assert {part: tuple(value.shape) for part, value in found.items()} == dict.fromkeys(
            ("upper", "hands", "lower", "face"), (B, steps, 2, 8)
        )


def test_hidden_codes_are_not_seen_and_known_ones_are_by_all_parts(model):
    values, other = inputs(model), inputs(model)
    before = logits(model, values)
    other["codes"]["hands"] = (other["codes"]["hands"] + 1) % 8
    after = logits(model, other)
    assert same({part: before[part][:, :, 0] for part in before}, {part: after[part][:, :, 0] for part in after})
    for each in (values, other):
        each["known"]["hands"][:, 2] = True
    before, after = logits(model, values), logits(model, other)
    for part in before:  # level 0: the level behind it sees the true code below by right
        assert not torch.equal(before[part][:, :, 0], after[part][:, :, 0]), part


def test_a_level_sees_those_below_it_at_its_own_step_only(model):
    values = inputs(model)
    before = logits(model, values)["upper"]
    values["codes"]["upper"][:, 3, 0] += 1
    values["codes"]["upper"] %= 8
    after = logits(model, values)["upper"]
    changed = (before != after).any(dim=-1)  # (B, N, Q)
    expected = torch.zeros_like(changed)
    expected[:, 3, 1] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_that_is_not_given_is_not_seen_and_one_that_is_has_an_effect(model, name):
    key = {"audio": "waveform"}.get(name, name)
    values, other = inputs(model), inputs(model)
    other["speech"][key] = inputs(model, seed=1)["speech"][key] if name != "speaker" else torch.tensor([5, 7])
    assert not same(logits(model, values), logits(model, other))
    for each in (values, other):
        each["given"][name][:] = False
    assert same(logits(model, values), logits(model, other))
    assert not same(logits(model, values), logits(model, inputs(model)))


def test_hints_that_are_not_given_are_not_seen_even_if_they_are_nan(model):
    values, other = inputs(model), inputs(model)
    other["hints"]["upper"][:] = torch.nan
    assert same(logits(model, values), logits(model, other))
    values["hint_given"]["upper"][:, 4:6, :12] = True
    other["hint_given"]["upper"][:, 4:6, :12] = True
    other["hints"]["upper"] = values["hints"]["upper"].clone()
    other["hints"]["upper"][:, 5, 3] += 1
    assert not same(logits(model, values), logits(model, other))


def test_training_leaves_the_tokenizers_alone(model):
    trained = masked_bundle().model.train()
    assert not any(module.training for module in trained.tokenizer.modules())
    assert not any(p.requires_grad for p in trained.tokenizer.parameters())
    before = {key: value.clone() for key, value in trained.tokenizer.state_dict().items()}
    values = inputs(trained)
    found = trained(**values | {"shown": values["codes"]}, fps=FPS, sample_rate=RATE).logits
    sum(value.square().mean() for value in found.values()).backward()
    assert all(p.grad is not None for p in trained.speech.audio.parameters())
    assert all(torch.equal(value, before[key]) for key, value in trained.tokenizer.state_dict().items())


def test_attention_knows_distances_and_not_places():
    torch.manual_seed(0)
    layer = TransformerLayer(16, 2, dropout=0.0).eval().double()
    x = torch.randn(1, 6, 16, dtype=torch.float64)
    turned = TransformerLayer(16, 2, dropout=0.0, rotary=False).eval().double()
    turned.load_state_dict(layer.state_dict())
    flipped = torch.flip(turned(x), dims=(1,))
    torch.testing.assert_close(turned(torch.flip(x, dims=(1,))), flipped)  # a set has no order
    assert not torch.allclose(layer(torch.flip(x, dims=(1,))), torch.flip(layer(x), dims=(1,)))
    # Two equal steps far apart from everything else would be told apart by places, not by distances.
    same_steps = x[:, :1].expand(-1, 6, -1)
    torch.testing.assert_close(layer(same_steps), layer(same_steps)[:, :1].expand(-1, 6, -1))


def test_sizes_that_do_not_fit_are_input_errors():
    with pytest.raises(InputError, match=r"model.dim: got 100; .* twice model.num_heads=12"):
        MaskedTransformerConfig(dim=100)
    with pytest.raises(InputError, match=r"model.tokenizers: none given; train a vqvae for each part"):
        MaskedGestureTransformer(MaskedTransformerConfig())
    with pytest.raises(
        InputError, match=r"model.layout: got beat_141_rot6d, but the tokenizers are of beat_full_rot6d"
    ):
        masked_bundle(layout="beat_141_rot6d")
