import json
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from emage.config import MaskedTransformerConfig
from emage.errors import InputError, collected_warnings
from emage.models.pretrained_speech import FeatureClock, PretrainedEncoder
from emage.models.speech import SpeechEncoder

RATE, FPS = 16000, 15.0
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # of wav2vec2 and HuBERT


class Convolutions(nn.Module):
    """A speech model that averages over each layer's kernel; it notes what it hears."""

    def __init__(self, kernels=KERNELS, strides=STRIDES, **config) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=3, conv_kernel=list(kernels), conv_stride=list(strides), **config)
        self.weight = nn.Parameter(torch.ones(1))
        self.heard: torch.Tensor | None = None

    def forward(self, waveform):
        self.heard = features = waveform
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            features = features.unfold(1, kernel, stride).mean(dim=-1)
        return SimpleNamespace(last_hidden_state=(self.weight * features)[..., None].expand(-1, -1, 3))


def use_loader(monkeypatch, load) -> None:
    """Lets `load` stand for AutoModel.from_pretrained of transformers, which the tests do not need."""
    loader = SimpleNamespace(from_pretrained=load)
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoModel=loader))


def loading_info(**keys) -> dict[str, list]:
    """What `output_loading_info=True` of transformers gives beside the model; all empty: every weight was read."""
    return {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": [], "error_msgs": []} | keys


def pretrained(monkeypatch, folder, network, *, info=None, **preprocessing) -> PretrainedEncoder:
    """An encoder around `network`, whose folder says how the sound is prepared."""

    def load(folder, *, output_loading_info, **options):
        return (network, info or loading_info()) if output_loading_info else network

    use_loader(monkeypatch, load)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return PretrainedEncoder(str(folder), 5)


def test_a_local_speech_model_is_used_but_neither_trained_nor_saved(monkeypatch, tmp_path):
    encoder = pretrained(monkeypatch, tmp_path, Convolutions())
    found = encoder(torch.randn(2, 16000), 15, fps=FPS, sample_rate=RATE)
    assert found.shape == (2, 15, 5)
    assert set(encoder.state_dict()) == {"project.weight", "project.bias"}
    assert [name for name, p in encoder.named_parameters() if p.requires_grad] == ["project.weight", "project.bias"]
    for num_samples in (1, 399, 400, 1067):  # fewer than one feature sees
        assert encoder(torch.randn(1, num_samples), 1, fps=FPS, sample_rate=RATE).isfinite().all()


@pytest.mark.parametrize(
    "kernels, strides, stride, field", [(KERNELS, STRIDES, 320, 400), ((4,), (4,), 4, 4), ((3, 2), (2, 3), 6, 5)]
)
def test_feature_times_follow_from_kernels_and_strides(kernels, strides, stride, field):
    clock = FeatureClock.of(kernels, strides)
    assert (clock.stride, clock.field, clock.centre) == (stride, field, (field - 1) / 2)
    for num_samples in (field - 1, field, field + stride - 1, field + stride, 16000, 16001):
        made = (
            Convolutions(kernels, strides)(torch.zeros(1, num_samples)).last_hidden_state
            if num_samples >= field
            else []
        )
        assert clock.num_features(num_samples) == (made.shape[1] if len(made) else 0)
    positions = clock.positions(3, fps=10.0, sample_rate=16000)
    torch.testing.assert_close(
        positions * stride + clock.centre, torch.tensor([0.0, 1600.0, 3200.0], dtype=torch.float64)
    )


@pytest.mark.parametrize("seconds", [1.0, 4.3, 30.0, 30.017])
@pytest.mark.parametrize("fps", [15.0, 29.97])
def test_a_ramp_is_read_at_the_frame_times_whatever_the_length(monkeypatch, tmp_path, seconds, fps):
    """Averages of a ramp are its values at the centres: interpolation in time gives the ramp back."""
    encoder = pretrained(monkeypatch, tmp_path, Convolutions(), do_normalize=False)
    nn.init.constant_(encoder.project.weight, 1 / 3), nn.init.zeros_(encoder.project.bias)
    num_samples, num_frames = round(seconds * RATE), round(seconds * fps)
    ramp_s = torch.arange(num_samples)[None] / RATE
    found = encoder(ramp_s, num_frames, fps=fps, sample_rate=RATE)[0, :, 0]
    clock = encoder.clock
    last = clock.centre + (clock.num_features(num_samples) - 1) * clock.stride
    expected_s = (torch.arange(num_frames) / fps).clamp(clock.centre / RATE, last / RATE)
    torch.testing.assert_close(found, expected_s, atol=1e-4, rtol=0)  # a hundredth of a feature is 2e-4 s


@pytest.mark.parametrize(
    "preprocessing, normalises", [({}, True), ({"do_normalize": True}, True), ({"do_normalize": False}, False)]
)
def test_the_sound_is_normalised_if_the_model_says_so(monkeypatch, tmp_path, preprocessing, normalises):
    network = Convolutions()
    encoder = pretrained(monkeypatch, tmp_path, network, **preprocessing)
    waveform = torch.randn(2, 16000) * torch.tensor([[0.01], [0.3]]) + 0.05
    encoder(waveform, 15, fps=FPS, sample_rate=RATE)
    if normalises:
        torch.testing.assert_close(network.heard.mean(dim=1), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(network.heard.square().mean(dim=1), torch.ones(2), atol=2e-3, rtol=0)
    else:
        assert torch.equal(network.heard, waveform)
    encoder(torch.zeros(1, 16000), 15, fps=FPS, sample_rate=RATE)
    assert network.heard.eq(0).all()  # silence stays silence


@pytest.mark.parametrize(
    "says, rate", [({}, 16000), ({"sampling_rate": 16000}, 16000), ({"sampling_rate": 24000}, 24000)]
)
def test_sound_of_another_rate_than_the_models_is_refused(monkeypatch, tmp_path, says, rate):
    encoder = pretrained(monkeypatch, tmp_path, Convolutions(), **says)
    assert encoder(torch.randn(1, rate), 15, fps=FPS, sample_rate=rate).shape == (1, 15, 5)
    with pytest.raises(InputError, match=f"data.sample_rate: got 22050; the speech model .* takes {rate} Hz"):
        encoder(torch.randn(1, 22050), 15, fps=FPS, sample_rate=22050)


def test_the_preparation_may_lie_in_the_processors_file_or_nowhere(monkeypatch, tmp_path):
    pretrained(monkeypatch, tmp_path, Convolutions())
    (tmp_path / "preprocessor_config.json").unlink()
    with collected_warnings() as messages:
        encoder = PretrainedEncoder(str(tmp_path), 5)
    assert (encoder.sample_rate, encoder.normalises) == (16000, True)
    assert len(messages) == 1
    assert "has no preprocessor_config.json; 16000 Hz and do_normalize=true are assumed" in messages[0]
    extractor = {"feature_extractor": {"do_normalize": False, "sampling_rate": 8000}}
    (tmp_path / "processor_config.json").write_text(json.dumps(extractor))
    encoder = PretrainedEncoder(str(tmp_path), 5)
    assert (encoder.sample_rate, encoder.normalises) == (8000, False)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"sampling_rate": "16000"}', '{"do_normalize": 1}', "[" * 100_000])
def test_a_broken_preparation_is_refused(monkeypatch, tmp_path, content):
    pretrained(monkeypatch, tmp_path, Convolutions())
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(InputError, match="preprocessor_config.json: .*copy it again"):
        PretrainedEncoder(str(tmp_path), 5)


def test_a_model_whose_feature_times_are_unknown_is_refused(monkeypatch, tmp_path):
    other = nn.Linear(1, 1)
    other.config = SimpleNamespace(hidden_size=3)
    with pytest.raises(InputError, match="its config has no conv_kernel, conv_stride"):
        pretrained(monkeypatch, tmp_path, other)
    with pytest.raises(InputError, match="add_adapter is on"):
        pretrained(monkeypatch, tmp_path, Convolutions(add_adapter=True))
    network = Convolutions()
    encoder = pretrained(monkeypatch, tmp_path, network)
    network.config.conv_stride = [10, *STRIDES[1:]]
    with pytest.raises(InputError, match="makes 24 features of 16000 samples; its conv_kernel and conv_stride say 49"):
        encoder(torch.randn(1, 16000), 15, fps=FPS, sample_rate=RATE)


def test_a_speech_model_that_is_not_there_is_an_input_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="pip install transformers"):
        PretrainedEncoder(str(tmp_path), 4)
    use_loader(monkeypatch, lambda folder, **options: pytest.fail("asked for a model of another place"))
    (tmp_path / "file").touch()
    for folder in ("facebook/wav2vec2-base", str(tmp_path / "nowhere"), str(tmp_path / "file")):
        with pytest.raises(InputError, match=f"^model.audio_model: {folder}: no such folder"):
            PretrainedEncoder(folder, 4)


class SafetensorError(Exception):
    """As in safetensors, which derives its error from nothing else."""


@pytest.mark.parametrize(
    "error, reason",
    [
        (OSError("no file named model.safetensors found in directory w2v.\nand more"), "no file named model.safetens"),
        (SafetensorError("Error while deserializing header: header too small"), "Error while deserializing header"),
        (
            RuntimeError("Error(s) in loading state_dict for LayerNorm:\n\tsize mismatch for bias: 16, 32"),
            "size mismatch",
        ),
        (
            ValueError("Unrecognized model in w2v. Should have a `model_type` key: " + "bert, " * 300),
            "Unrecognized model",
        ),
        (TypeError("empty(): argument 'size' must be tuple of ints"), "argument 'size'"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_speech_model_that_cannot_be_read_is_one_short_line(monkeypatch, tmp_path, error, reason):
    def fail(folder, **options):
        raise error

    use_loader(monkeypatch, fail)
    with pytest.raises(InputError) as caught:
        PretrainedEncoder(str(tmp_path), 4)
    message = str(caught.value)
    assert message.startswith(f"model.audio_model: {tmp_path} holds no speech model that can be read: ")
    assert reason in message
    assert "\n" not in message
    assert len(message) < 300 + len(str(tmp_path))


LAYER = [f"encoder.layers.1.{name}" for name in ("a", "b", "c", "d", "e")]


def test_weights_that_the_file_lacks_are_refused_by_name(monkeypatch, tmp_path):
    """transformers would draw them at random."""
    info = loading_info(missing_keys=["masked_spec_embed", *LAYER])
    with pytest.raises(InputError) as caught:
        pretrained(monkeypatch, tmp_path, Convolutions(), info=info)
    assert f"{tmp_path}: its weights lack {', '.join(LAYER[:3])} and 2 more; copy" in str(caught.value)
    info = loading_info(missing_keys={LAYER[0]}, unexpected_keys={"lm_head.weight"})  # sets in later versions
    with pytest.raises(InputError, match=f"its weights lack {LAYER[0]}; copy"):
        pretrained(monkeypatch, tmp_path, Convolutions(), info=info)


@pytest.mark.parametrize("mismatched", [[LAYER[0]], {(LAYER[0], (3,), (4,))}])
def test_weights_of_another_shape_are_refused_by_name(monkeypatch, tmp_path, mismatched):
    with pytest.raises(InputError, match=f"the shapes of {LAYER[0]} are not those of config.json"):
        pretrained(monkeypatch, tmp_path, Convolutions(), info=loading_info(mismatched_keys=mismatched))


POSITIONS = "encoder.pos_conv_embed.conv."


@pytest.mark.parametrize(
    "keys",
    [
        {"missing_keys": ["masked_spec_embed"]},
        {"missing_keys": ["wav2vec2.masked_spec_embed"], "unexpected_keys": ["lm_head.weight", "lm_head.bias"]},
        {"unexpected_keys": ["quantizer.codevectors", "project_q.weight", "wav2vec2.mask_time_emb_vector"]},
        {
            "missing_keys": [f"{POSITIONS}parametrizations.weight.original{i}" for i in (0, 1)],
            "unexpected_keys": [f"{POSITIONS}weight_g", f"{POSITIONS}weight_v"],
        },
    ],
)
def test_heads_of_other_tasks_and_unread_weights_may_differ(monkeypatch, tmp_path, keys):
    network = Convolutions()
    network.encoder = nn.Identity()
    with collected_warnings() as messages:
        pretrained(monkeypatch, tmp_path, network, info=loading_info(**keys))
    assert messages == []


def test_weights_of_the_network_that_are_not_used_are_a_warning(monkeypatch, tmp_path):
    network = Convolutions()
    network.encoder = nn.Identity()
    with collected_warnings() as messages:
        pretrained(monkeypatch, tmp_path, network, info=loading_info(unexpected_keys=[*LAYER, "lm_head.bias"]))
    assert len(messages) == 1
    assert f"config.json has no place for {', '.join(LAYER[:3])} and 2 more; they are not used" in messages[0]


def test_the_rate_of_the_sound_can_be_checked_before_any_sound_is_there(monkeypatch, tmp_path):
    pretrained(monkeypatch, tmp_path, Convolutions(), sampling_rate=24000)
    config = MaskedTransformerConfig(audio_encoder="pretrained", audio_model=str(tmp_path))
    encoder = SpeechEncoder(config, 1)
    encoder.check_sample_rate(24000)
    with pytest.raises(InputError, match="data.sample_rate: got 16000; the speech model .* takes 24000 Hz"):
        encoder.check_sample_rate(16000)
    SpeechEncoder(MaskedTransformerConfig(), 1).check_sample_rate(22050)  # mel_onset takes any
