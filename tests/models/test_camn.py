import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from emage.config import CaMNConfig
from emage.errors import InputError
from emage.models import MODELS, CaMN
from emage.motion.layout import get_layout

PUBLISHED_SHAPES = json.loads((Path(__file__).parent / "published_shapes.json").read_text())["CaMN"]
FPS, SAMPLE_RATE = 15, 16000


def small(**options) -> CaMNConfig:
    sizes = {
        "num_words": 20,
        "word_dim": 12,
        "text_dim": 10,
        "text_hidden": 16,
        "text_levels": 2,
        "audio_encoder": "log_mel",
        "audio_channels": [8, 8, 8, 8, 8, 12],
        "audio_dim": 12,
        "face_dim": 8,
        "hidden": 16,
        "num_layers": 1,
    }
    return CaMNConfig(**{**sizes, **options})


def inputs(config: CaMNConfig, *, batch: int = 2, num_frames: int = 34, seeded: bool = True) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    given = {
        "waveform": normal(batch, round(num_frames * SAMPLE_RATE / FPS)),
        "words": integers(config.num_words, batch, num_frames),
        "speaker": integers(config.num_speakers, batch),
        "emotion": integers(config.num_emotions, batch, num_frames),
        "face": normal(batch, num_frames, 51) if config.face_input else None,
        "seed_motion": normal(batch, config.seed_frames, get_layout(config.layout).dim) if config.seed_frames else None,
    }
    return {**given, "seed_motion": given["seed_motion"] if seeded else None, "fps": FPS, "sample_rate": SAMPLE_RATE}


@pytest.fixture(scope="module")
def published() -> CaMN:
    torch.manual_seed(0)
    return CaMN(CaMNConfig()).eval()


def test_published_size(published):
    assert sum(parameter.numel() for parameter in published.parameters()) == 16_365_225
    assert MODELS["camn"] is CaMN


def test_published_names_and_shapes_load_strictly(published):
    shapes = {name: list(tensor.shape) for name, tensor in published.state_dict().items()}
    assert shapes == PUBLISHED_SHAPES
    dtypes = {name: tensor.dtype for name, tensor in published.state_dict().items()}
    random = {name: torch.rand(shape).to(dtypes[name]) for name, shape in PUBLISHED_SHAPES.items()}
    other = CaMN(CaMNConfig())
    other.load_state_dict(random, strict=True)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in random.items())


def test_inputs_are_joined_in_the_published_order(published):
    """Weights trained by the reference mean something only if every input lies where it lay there."""
    seen, given = {}, inputs(published.config)
    hooks = [
        module.register_forward_hook(lambda _, args, output, name=name: seen.update({name: (args[0], output)}))
        for name, module in published.named_children()
    ]
    with torch.no_grad():
        published(**given)
    for hook in hooks:
        hook.remove()
    speaker = seen["speaker_embedding"][1][:, None].expand(-1, 34, -1)
    emotion = seen["emotion_embedding_tail"][1].transpose(1, 2)
    text, audio = seen["text_encoder"][1], seen["audio_encoder"][1]
    face = seen["facial_encoder"][1].transpose(1, 2)
    fused_audio, fused_face = seen["audio_fusion"][1], seen["facial_fusion"][1]
    assert torch.equal(seen["audio_fusion"][0], torch.cat([audio, emotion, speaker, text], dim=2))
    assert torch.equal(seen["facial_fusion"][0], torch.cat([face, fused_audio, emotion, speaker, text], dim=2))
    seed = torch.zeros(2, 34, 142)
    seed[:, :4, :141], seed[:, :4, 141] = given["seed_motion"], 1
    joined = torch.cat([seed, speaker, emotion, text, fused_audio, fused_face], dim=2)
    assert torch.equal(seen["LSTM"][0], joined)
    assert torch.equal(seen["LSTM_hands"][0], torch.cat([joined, seen["out"][1]], dim=2))


def test_body_and_hands_land_on_their_columns(published):
    expected = torch.zeros(141)
    hands, body = torch.arange(100.0, 214.0), torch.arange(27.0)
    expected[0:18], expected[18:75], expected[75:84], expected[84:141] = body[:18], hands[:57], body[18:], hands[57:]
    kept = {name: value.clone() for name, value in published.state_dict().items()}
    for head, values in ((published.out[2], body), (published.out_hands[2], hands)):
        nn.init.zeros_(head.weight)
        head.bias.data.copy_(values)
    with torch.no_grad():
        motion = published(**inputs(published.config, num_frames=5)).motion
    published.load_state_dict(kept)
    assert torch.equal(motion, expected.expand(2, 5, 141))


@pytest.mark.parametrize("layout", ["beat_141", "beat_141_rot6d", "beat_full"])
@pytest.mark.parametrize("num_frames", [1, 3, 35])
def test_any_layout_and_length(layout, num_frames):
    model = CaMN(small(layout=layout)).eval()
    output = model(**inputs(model.config, batch=3, num_frames=num_frames))
    assert output.motion.shape == (3, num_frames, get_layout(layout).dim)
    assert output.face is None
    columns = torch.cat([model.body_columns, model.hand_columns]).sort().values
    assert columns.tolist() == list(range(get_layout(layout).dim))


@pytest.mark.parametrize("audio_encoder", ["waveform", "log_mel"])
def test_predicted_face_instead_of_a_given_one_and_no_seed(audio_encoder):
    model = CaMN(small(audio_encoder=audio_encoder, face_input=False, predict_face=True, seed_frames=0)).eval()
    output = model(**inputs(model.config, num_frames=34))
    assert output.face.shape == (2, 34, 51)
    assert output.motion.shape == (2, 34, 141)


def test_evaluation_is_deterministic_and_a_batch_is_its_samples():
    torch.manual_seed(0)
    model = CaMN(small(dropout=0.5)).eval()
    given = inputs(model.config)
    first = model(**given).motion
    assert torch.equal(first, model(**given).motion)
    one = {name: value[1:] if isinstance(value, Tensor) else value for name, value in given.items()}
    torch.testing.assert_close(model(**one).motion, first[1:], rtol=0, atol=1e-5)
    assert not torch.equal(model.train()(**given).motion, first)


@pytest.mark.parametrize("name", ["waveform", "words", "speaker", "emotion", "face", "seed_motion"])
def test_every_input_changes_the_motion(name):
    torch.manual_seed(0)
    model = CaMN(small()).double().eval()
    given = {
        n: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v for n, v in inputs(small()).items()
    }
    changed = given[name].clone()
    changed[0] = 1 - changed[0] if changed.is_floating_point() else (changed[0] + 1) % 8
    difference = (model(**given).motion - model(**{**given, name: changed}).motion).abs()
    assert difference[0].max() > 0
    assert difference[1].max() == 0


@pytest.mark.parametrize("training", [False, True])
def test_a_window_whose_seed_frames_are_hidden_is_one_without_them(training):
    torch.manual_seed(0)
    config = small(seed_dropout=0.5, dropout=0.0, word_dropout=0.0)
    model = CaMN(config).train(training)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    given = inputs(config)
    with torch.no_grad():
        seeded, bare = model(**given).motion, model(**{**given, "seed_motion": None}).motion
        mixed = model(**given, seed_hidden=torch.tensor([True, False])).motion
    assert torch.equal(mixed[0], bare[0])
    assert torch.equal(mixed[1], seeded[1])
    assert not torch.equal(bare, seeded)


def test_seed_frames_are_told_from_none():
    torch.manual_seed(0)
    model = CaMN(small()).eval()
    given = inputs(model.config)
    zeros = torch.zeros_like(given["seed_motion"])
    without = model(**{**given, "seed_motion": None}).motion
    assert not torch.equal(model(**{**given, "seed_motion": zeros}).motion, without)


@pytest.mark.parametrize("options", [{}, {"face_input": False, "predict_face": True, "audio_encoder": "waveform"}])
def test_gradients_reach_every_parameter(options):
    torch.manual_seed(0)
    model = CaMN(small(**options)).double().train()
    for name, parameter in model.named_parameters():
        if name.endswith("weight_g"):  # so small at the start that a few ReLUs are closed for this batch
            nn.init.ones_(parameter)
    given = inputs(model.config, batch=4)
    output = model(
        **{n: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v for n, v in given.items()}
    )
    loss = output.motion.square().mean() + (0 if output.face is None else output.face.square().mean())
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


def test_one_batch_can_be_learned():
    torch.manual_seed(0)
    model = CaMN(small(dropout=0.0, word_dropout=0.0, face_input=False, predict_face=True, hidden=48))
    given = inputs(model.config, num_frames=20)
    motion, face = torch.randn(2, 20, 141), torch.randn(2, 20, 51)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(120):
        output = model(**given)
        loss = (output.motion - motion).abs().mean() + (output.face - face).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_half_precision_inside_single_outside():
    model = CaMN(small(face_input=False, predict_face=True)).eval()
    given = inputs(model.config)
    exact = model(**given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**given)
    assert output.motion.dtype == output.face.dtype == torch.float32
    torch.testing.assert_close(output.motion, exact.motion, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"face": None}, "reads the captured face"),
        ({"face_input": False}, {"face": torch.zeros(2, 34, 51)}, "no place for a given face"),
        ({"seed_frames": 0}, {"seed_motion": torch.zeros(2, 4, 141)}, "got 4 frames; this CaMN takes at most 0"),
        ({"seed_frames": 2}, {"seed_motion": torch.zeros(2, 4, 141)}, "got 4 frames; this CaMN takes at most 2"),
    ],
)
def test_inputs_that_do_not_fit_are_named(options, change, message):
    model = CaMN(small(**options))
    with pytest.raises(InputError, match=message):
        model(**{**inputs(model.config), **change})


def test_a_layout_without_hands_is_refused():
    with pytest.raises(InputError, match="arkit_51"):
        CaMN(small(layout="arkit_51"))
