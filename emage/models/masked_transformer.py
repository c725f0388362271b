"""The masked audio-gesture transformer: from whatever is known to the codes of the parts of the body that are not.

Known may be: sound, words, speaker, emotion (any subset), values of any joints and facial channels at any frames
(hints), and codes of any part at any step. The network says, for every other step of every part, how probable each
code is. Training hides codes at random; generation fills them in, a few at a time or all at once.

What is known of the speech and of the motion is encoded once; only the layers behind the codes run at every step of
decoding. The residual levels of one part at one step are predicted one after the other by the head of the part, so
that the levels that are drawn fit together. After EMAGE (CVPR 2024, section 4), with the decoding of MaskGIT (2022).

Shapes: B batch, T frames, N steps, P values of a part, C channels, Q levels, K codebook entries, R parts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage.config import MaskedTransformerConfig
from emage.errors import InputError
from emage.models.attention import TransformerLayer
from emage.models.face import FacePath
from emage.models.speech import ConvLayer, SpeechEncoder, frames_to_steps
from emage.models.tokenizer import MotionTokenizer

PART_HEAD_DIM = 32


@dataclass
class MaskedTransformerOutput:
    """What the network says of the codes.

    Attributes:
        logits: by part, (B, N, Q, K) float32; level q given the true levels below it.
        face: (B, T, 51) z-scores float32 of a face trunk, or None where the face is codes, or not made.
    """

    logits: dict[str, Tensor]
    face: Tensor | None = None


class MaskedGestureTransformer(nn.Module):
    """Completes codes.

    Args:
        config: sizes; `tokenizer_configs` say what the codes are.

    Attributes:
        tokenizer: motion and face <-> codes; it is never trained here.
        parts: the parts that are generated as codes.
        face_path: the face trunk that makes the face, if no code does.

    Raises:
        InputError: no tokenizers, or tokenizers of another layout.
    """

    def __init__(self, config: MaskedTransformerConfig) -> None:
        super().__init__()
        if not config.tokenizer_configs:
            raise InputError(
                "model.tokenizers: none given; train a vqvae for each part and give model.tokenizers.PART=DIR"
            )
        self.config = config
        self.tokenizer = MotionTokenizer(config.tokenizer_configs).requires_grad_(False).eval()
        self.parts: tuple[str, ...] = tuple(self.tokenizer.parts)
        if self.tokenizer.layout.name != config.layout:
            raise InputError(
                f"model.layout: got {config.layout}, but the tokenizers are of {self.tokenizer.layout.name}; give one layout"
            )
        trunk = config.face_trunk_config
        self.face_path = None if trunk is None else FacePath(trunk, config.num_speakers)
        self.speech = SpeechEncoder(config, self.tokenizer.downsample)
        self.hints = HintEncoder(config, self.tokenizer)
        self.speech_layers = _layers(config.speech_layers, config)
        self.codes = CodeEmbedding(self.tokenizer, config.dim)
        self.motion_layers = _layers(config.motion_layers, config)
        self.norm = nn.LayerNorm(config.dim)
        self.to_parts = nn.Linear(config.dim, len(self.parts) * config.part_dim)
        self.part_codes = nn.ModuleDict(
            {part: CodeEmbedding(self.tokenizer, config.part_dim, (part,)) for part in self.parts}
        )
        self.part_layers = nn.Sequential(
            *(
                TransformerLayer(
                    config.part_dim, config.part_dim // PART_HEAD_DIM, dropout=config.dropout, rotary=False
                )
                for _ in range(config.part_layers)
            )
        )
        self.heads = nn.ModuleDict(
            {part: CodeHead(self.tokenizer.vqvaes[part], config.part_dim) for part in self.parts}
        )

    def train(self, mode: bool = True) -> "MaskedGestureTransformer":
        """Train mode, though never of the tokenizers: their codebooks would follow the batch."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def forward(
        self,
        speech: dict[str, Tensor],
        given: dict[str, Tensor],
        hints: dict[str, Tensor],
        hint_given: dict[str, Tensor],
        codes: dict[str, Tensor],
        shown: dict[str, Tensor],
        known: dict[str, Tensor],
        *,
        fps: float,
        sample_rate: int,
    ) -> MaskedTransformerOutput:
        """Logits of every code, as training needs them.

        Args:
            speech: waveform (B, S), words (B, T), speaker (B,), emotion (B, T); optional (B,) bool: mirrored windows, and
                neutral ones, whose face is the face trunk's neutral identity.
            given: (B,) bool by input (audio, words, speaker, emotion): whether it is there.
            hints: by part, (B, T, P) raw values.
            hint_given: by part, (B, T, P) bool: which of them are there.
            codes: by part, (B, N, Q) int64: the true ones, for the levels that follow them.
            shown: the same as the network is shown them, where `known` says so.
            known: by part, (B, N) bool: which steps are there.
            fps: frames per second.
            sample_rate: samples per second of the waveform.
        """
        condition = self.condition(speech, given, hints, hint_given, fps=fps, sample_rate=sample_rate)
        states = self.states(condition, self.tokenizer.lookup(shown), known)
        logits = {part: self.heads[part](states[part], codes[part]) for part in self.parts}
        return MaskedTransformerOutput(logits, self.face(speech, fps=fps, sample_rate=sample_rate))

    def face(self, speech: dict[str, Tensor], *, fps: float, sample_rate: int) -> Tensor | None:
        """What the face trunk makes of the sound, (B, T, 51) z-scores; None without one.

        The trunk has one row per speaker: a mirrored window has the face of the same speaker.
        """
        if self.face_path is None:
            return None
        num_frames = speech["words"].shape[1]
        time = {"num_frames": num_frames, "fps": fps, "sample_rate": sample_rate}
        return self.face_path(speech["waveform"], speech["speaker"], speech.get("neutral"), **time)

    def condition(
        self,
        speech: dict[str, Tensor],
        given: dict[str, Tensor],
        hints: dict[str, Tensor],
        hint_given: dict[str, Tensor],
        *,
        fps: float,
        sample_rate: int,
    ) -> Tensor:
        """What is known apart from the codes, (B, N, C); decoding computes it once."""
        x = self.speech(speech, given, fps=fps, sample_rate=sample_rate) + self.hints(hints, hint_given)
        return self.speech_layers(x)

    def states(self, condition: Tensor, latents: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the heads of the parts see, (B, N, C') by part; `latents` are those of the codes, (B, N, C'')."""
        x = self.norm(self.motion_layers(condition + self.codes(latents, known)))  # (B, N, C)
        parts = self.to_parts(x).unflatten(-1, (len(self.parts), -1))  # (B, N, R, C')
        own = torch.stack([self.part_codes[part](latents, known) for part in self.parts], dim=2)
        mixed = self.part_layers((parts + own).flatten(0, 1)).unflatten(0, parts.shape[:2])  # parts see each other
        return dict(zip(self.parts, mixed.unbind(dim=2), strict=True))


class HintEncoder(nn.Module):
    """Given values of joints and facial channels -> features per step; where nothing is given, zeros."""

    def __init__(self, config: MaskedTransformerConfig, tokenizer: MotionTokenizer) -> None:
        super().__init__()
        self.downsample = tokenizer.downsample
        self.vqvaes = [tokenizer.vqvaes[part] for part in tokenizer.parts]  # in a list: for their normalisation alone
        self.parts = tuple(tokenizer.parts)
        self.project = nn.ModuleDict(
            {
                part: nn.Linear(2 * tokenizer.vqvaes[part].num_values, config.hint_dim, bias=False)
                for part in tokenizer.parts
            }
        )
        self.layer = ConvLayer(config.hint_dim, config.dropout)
        self.to_steps = nn.Linear(self.downsample * config.hint_dim, config.dim)

    def forward(self, hints: dict[str, Tensor], hint_given: dict[str, Tensor]) -> Tensor:
        """By part (B, T, P) values and bool -> (B, N, C)."""
        x: Tensor | float = 0.0
        for part, vqvae in zip(self.parts, self.vqvaes, strict=True):
            there = hint_given[part]
            # `where` and not a product: what is not given may be NaN.
            values = (hints[part] - vqvae.feature_mean) / vqvae.feature_scale
            values = torch.where(there, values, torch.zeros_like(values))
            x = x + self.project[part](torch.cat([values, there.to(values.dtype)], dim=-1).to(self._dtype))
        return self.to_steps(frames_to_steps(self.layer(x), self.downsample))

    @property
    def _dtype(self) -> torch.dtype:
        return self.to_steps.weight.dtype


class CodeEmbedding(nn.Module):
    """Codes of some parts -> one feature vector a step: the sum over the parts, a learned vector for each hidden one."""

    def __init__(self, tokenizer: MotionTokenizer, dim: int, parts: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self.parts = tuple(tokenizer.parts) if parts is None else parts
        self.project = nn.ModuleDict({part: nn.Linear(tokenizer.vqvaes[part].code_dim, dim) for part in self.parts})
        self.norm = nn.ModuleDict({part: nn.LayerNorm(tokenizer.vqvaes[part].code_dim) for part in self.parts})
        self.hidden = nn.ParameterDict({part: nn.Parameter(torch.randn(dim) * 0.1) for part in self.parts})

    def forward(self, latents: dict[str, Tensor], known: dict[str, Tensor]) -> Tensor:
        """By part latents (B, N, C') and bool (B, N) -> (B, N, C)."""
        x: Tensor | float = 0.0
        for part in self.parts:
            project = self.project[part]
            embedded = project(self.norm[part](latents[part].to(project.weight.dtype)))
            x = x + torch.where(known[part][..., None], embedded, self.hidden[part].to(embedded.dtype))
        return x


class CodeHead(nn.Module):
    """State of one part -> its codes, level after level: each level knows the entries of those below it."""

    def __init__(self, vqvae: nn.Module, dim: int) -> None:
        super().__init__()
        self.vqvae = [vqvae]  # in a list: the codebooks belong to the tokenizer
        self.num_levels = vqvae.num_quantizers
        if self.num_levels > 1:  # a parameter without a gradient would stop training on several processes
            self.below = nn.Linear(vqvae.code_dim, dim, bias=False)
            self.norm = nn.LayerNorm(vqvae.code_dim, elementwise_affine=False)
        self.hidden = nn.ModuleList([nn.Linear(dim, 2 * dim) for _ in range(self.num_levels)])
        self.out = nn.ModuleList(
            [
                nn.Sequential(nn.LayerNorm(2 * dim), nn.Linear(2 * dim, vqvae.codebook_size))
                for _ in range(self.num_levels)
            ]
        )

    def forward(self, state: Tensor, codes: Tensor) -> Tensor:
        """(B, N, C'), true codes (B, N, Q) -> (B, N, Q, K) float32."""
        entries, logits = None, []
        for level in range(self.num_levels):
            logits.append(self.level(level, state, entries))
            entry = self.entries(level)[codes[..., level]]
            entries = entry if entries is None else entries + entry
        return torch.stack(logits, dim=-2)

    def level(self, level: int, state: Tensor, entries: Tensor | None) -> Tensor:
        """Logits (B, N, K) float32 of a level behind the sum of the entries below it, (B, N, C); None at the first."""
        if entries is not None:
            state = state + self.below(self.norm(entries.to(state.dtype)))
        return self.out[level](F.gelu(self.hidden[level](state))).float()

    def entries(self, level: int) -> Tensor:
        """The codebook of a level, (K, C)."""
        return self.vqvae[0].level_embeddings(level)


def _layers(number: int, config: MaskedTransformerConfig) -> nn.Sequential:
    return nn.Sequential(
        *(TransformerLayer(config.dim, config.num_heads, dropout=config.dropout) for _ in range(number))
    )
