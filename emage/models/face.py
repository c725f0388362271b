"""The face trunk: what sound says about a face, learned from any corpus that shows faces, in whatever way it annotates.

Sound goes through one encoder and one stack of convolutions over time; a linear head a kind of annotation reads what
they make of it: 51 ARKit weights, 50 FLAME coefficients and the jaw, 100 and the jaw, the rotation of the head. A
corpus trains the heads of what it annotates, all of them train the trunk. Corpus and speaker shift the features;
speaker 0 is the neutral identity, which training shows in place of the real one now and then.

Values are z-scores by corpus, since the same basis does not mean the same distribution from one tracker to the next;
the means and deviations are part of the weights.

Source of the recipe (shared trunk, zero heads, neutral identity): UniTalker (Fan et al. 2024), sections 3.2 and 3.4.

Shapes: B batch, T frames, S samples, C channels, D = 157 columns of face_all, K corpora.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage.errors import InputError
from emage.face_config import FaceConfig
from emage.models.encoders import LogMelEncoder
from emage.motion.convert_face import EXPRESSION, HEAD, REST
from emage.motion.layout import get_layout

KERNEL = 5
MAX_DILATION = 8
NEUTRAL = 0  # row of the speaker table; real speakers follow
HEADS = {  # what each head puts out, as parts of face_all
    "arkit": ("arkit",),
    "flame50": (EXPRESSION, "jaw"),
    "flame100": (EXPRESSION, REST, "jaw"),
    "head": (HEAD,),
}


@dataclass
class FaceOutput:
    """What the trunk makes of sound, float32.

    Attributes:
        heads: by name of those that the trunk has, (B, T, columns of its parts) z-scores.
        features: (B, T, C) what the heads read.
    """

    heads: dict[str, Tensor]
    features: Tensor


class FaceTrunk(nn.Module):
    """See the head of this file.

    Args:
        config: sizes.
    """

    corpus_mean: Tensor
    corpus_std: Tensor

    def __init__(self, config: FaceConfig) -> None:
        super().__init__()
        self.config = config
        layout = get_layout(config.layout)
        widths = dict(layout.parts)
        self.audio_encoder = LogMelEncoder(config.audio_channels)
        self.corpus_embedding = nn.Embedding(config.num_corpora, config.corpus_dim)
        self.speaker_embedding = nn.Embedding(1 + config.num_speakers, config.speaker_dim)
        nn.init.normal_(self.corpus_embedding.weight, std=0.1)
        nn.init.normal_(self.speaker_embedding.weight, std=0.1)
        self.input = nn.Conv1d(config.audio_channels[-1], config.channels, 1)
        identity_dim = config.corpus_dim + config.speaker_dim
        self.blocks = nn.ModuleList(
            _TrunkBlock(config.channels, identity_dim, min(2**number, MAX_DILATION), config.dropout)
            for number in range(config.num_layers)
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(config.channels, sum(widths[part] for part in HEADS[name])) for name in config.heads}
        )
        for head in self.heads.values():  # begins at the mean face of each corpus
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.register_buffer("corpus_mean", torch.zeros(config.num_corpora, layout.dim))
        self.register_buffer("corpus_std", torch.ones(config.num_corpora, layout.dim))

    def forward(
        self,
        waveform: Tensor,
        corpus: Tensor,
        speaker: Tensor,
        neutral: Tensor | None = None,
        *,
        num_frames: int,
        fps: float,
        sample_rate: int,
    ) -> FaceOutput:
        """Z-scores at the frame times k / fps.

        Args:
            waveform: (B, S).
            corpus: (B,) int64 whose way of annotating, and whose look, is asked for.
            speaker: (B,) int64, NEUTRAL or 1 + index of a speaker.
            neutral: (B,) bool, windows that have the neutral identity in place of their speaker; None: no window.
            num_frames: T.
            fps: frames per second.
            sample_rate: samples per second of the waveform.
        """
        if neutral is not None:
            speaker = speaker.masked_fill(neutral, NEUTRAL)
        identity = torch.cat([self.corpus_embedding(corpus), self.speaker_embedding(speaker)], dim=-1)
        audio = self.audio_encoder(waveform, num_frames, fps=fps, sample_rate=sample_rate)  # (B, T, C')
        x = self.input(audio.transpose(1, 2))  # (B, C, T)
        for block in self.blocks:
            x = block(x, identity)
        features = x.transpose(1, 2).float()  # (B, T, C)
        return FaceOutput({name: head(features).float() for name, head in self.heads.items()}, features)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Takes the statistics (K, D) of the corpora, as many as there are, into the weights.

        Raises:
            InputError: more corpora than the network has places for.
        """
        if len(mean) > len(self.corpus_mean):
            raise InputError(f"model.num_corpora: {len(self.corpus_mean)} places for {len(mean)} corpora; raise it")
        self.corpus_mean[: len(mean)], self.corpus_std[: len(std)] = mean, std

    def normalise(self, values: Tensor, corpus: Tensor) -> Tensor:
        """face_all (B, T, D) as z-scores of its corpus (B,)."""
        return (values - self.corpus_mean[corpus][:, None]) / self.corpus_std[corpus][:, None]

    def face(self, output: FaceOutput, head: str, corpus: Tensor) -> Tensor:
        """What a head says, in the units of its parts: (B, T, columns).

        Args:
            output: of `forward`.
            head: of HEADS.
            corpus: (B,) as given to `forward`.
        """
        columns = head_columns(head).to(corpus.device)
        mean, std = (table[corpus][:, None, columns] for table in (self.corpus_mean, self.corpus_std))
        return output.heads[head] * std + mean


def head_columns(head: str) -> Tensor:
    """Columns of face_all that a head puts out, in its order: (P,) int64."""
    slices = get_layout("face_all").part_slices
    return torch.cat([torch.arange(slices[part].start, slices[part].stop) for part in HEADS[head]])


class FacePath(nn.Module):
    """A face trunk as the part of a generator that makes the face: one corpus, the generator's speakers, ARKit weights.

    Args:
        config: of the trunk whose sizes it has.
        num_speakers: of the generator.
    """

    def __init__(self, config: FaceConfig, num_speakers: int) -> None:
        super().__init__()
        self.trunk = FaceTrunk(replace(config, heads=["arkit"], num_corpora=1, num_speakers=num_speakers))

    def forward(
        self,
        waveform: Tensor,
        speaker: Tensor,
        neutral: Tensor | None = None,
        *,
        num_frames: int,
        fps: float,
        sample_rate: int,
    ) -> Tensor:
        """(B, S), index (B,) and neutral windows (B,) as in `FaceTrunk.forward` -> (B, T, 51) z-scores, T = `num_frames`."""
        output = self.trunk(
            waveform,
            torch.zeros_like(speaker),
            1 + speaker,  # behind the neutral one
            neutral,
            num_frames=num_frames,
            fps=fps,
            sample_rate=sample_rate,
        )
        return output.heads["arkit"]

    def denormalise(self, values: Tensor) -> Tensor:
        """Z-scores (B, T, 51) as ARKit weights."""
        columns = head_columns("arkit").to(values.device)
        return values * self.trunk.corpus_std[0, columns] + self.trunk.corpus_mean[0, columns]


class _TrunkBlock(nn.Module):
    """A dilated convolution over time, shifted and scaled by the identity, around a shortcut."""

    def __init__(self, channels: int, identity_dim: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)  # by frame: the length of a window must not matter
        self.conv = nn.Conv1d(channels, channels, KERNEL, dilation=dilation, padding=dilation * (KERNEL // 2))
        self.modulation = nn.Linear(identity_dim, 2 * channels)
        self.out = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        """(B, C, T), (B, identity) -> (B, C, T)."""
        scale, shift = self.modulation(identity)[..., None].chunk(2, dim=1)  # (B, C, 1)
        normed = self.norm(x.transpose(1, 2)).transpose(1, 2)
        hidden = F.gelu(self.conv(normed) * (1 + scale) + shift)
        return x + self.out(self.dropout(hidden))
