import pytest
import torch
from torch import nn

from emage.config import MaskedTransformerConfig
from emage.models.speech import MelOnsetEncoder, SpeechEncoder, frames_to_steps

RATE, FPS = 16000, 15.0
SMALL = {
    "num_speakers": 3, "num_words": 8, "word_buckets": 4, "word_dim": 6, "audio_dim": 8, "audio_layers": 1,
    "text_layers": 1, "dim": 16, "num_heads": 2, "dropout": 0.0, "audio_channels": [4] * 6,
}  # fmt: skip


def speech(num_frames: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {
        "waveform": 0.1 * torch.randn(2, round(num_frames * RATE / FPS), generator=draw),
        "words": torch.randint(0, 12, (2, num_frames), generator=draw),
        "speaker": torch.tensor([0, 2]),
        "emotion": torch.randint(0, 8, (2, num_frames), generator=draw),
    }


GIVEN = {name: torch.ones(2, dtype=torch.bool) for name in ("audio", "words", "speaker", "emotion")}


@pytest.mark.parametrize("audio_encoder", ["mel_onset", "log_mel", "waveform"])
@pytest.mark.parametrize(("num_frames", "downsample", "num_steps"), [(34, 1, 34), (33, 2, 17), (33, 4, 9), (1, 4, 1)])
def test_every_audio_encoder_gives_one_vector_a_step(audio_encoder, num_frames, downsample, num_steps):
    encoder = SpeechEncoder(MaskedTransformerConfig(**SMALL, audio_encoder=audio_encoder), downsample).eval()
    found = encoder(speech(num_frames), GIVEN, fps=FPS, sample_rate=RATE)
    assert found.shape == (2, num_steps, 16)
    assert found.isfinite().all()


def test_steps_hold_their_frames_in_order_and_a_last_one_repeats_the_last_frame():
    x = torch.arange(5.0)[None, :, None]
    assert frames_to_steps(x, 2)[0].tolist() == [[0, 1], [2, 3], [4, 4]]
    assert torch.equal(frames_to_steps(x, 1), x)


def test_a_click_is_an_onset_in_its_own_frame():
    torch.manual_seed(0)
    encoder = MelOnsetEncoder(8, 1, 0.0)
    encoder.layers = nn.Identity()  # without the convolutions each frame shows itself alone
    quiet = torch.zeros(1, 16000)
    click = quiet.clone()
    click[:, 8000:8080] = 0.5  # 0.5 s: between frames 7 and 8
    change = (encoder(click, 15, fps=FPS, sample_rate=RATE) - encoder(quiet, 15, fps=FPS, sample_rate=RATE)).abs()
    assert change.sum(dim=-1)[0].argmax() in (7, 8)
    assert change[0, :5].max() == 0


def test_unknown_words_are_not_one_vector():
    encoder = SpeechEncoder(MaskedTransformerConfig(**SMALL), 1)
    rows = encoder.words.embedding(torch.tensor([8, 9, 10, 11]))
    assert len({tuple(row.tolist()) for row in rows}) == 4
