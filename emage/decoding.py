"""Codes from a masked transformer, for speech of any length: all in one pass, or a few more at each step.

Long speech is cut into overlapping windows as long as in training. All windows work on ONE sequence of codes: every
step of it is drawn in the window in whose middle it lies, and its neighbours in other windows see it at the next
decoding step. So windows agree, and nothing has to be glued. Memory grows with the codes alone.

Every draw belongs to (seed, step of the sequence, decoding step): the same seed gives the same codes. With
`generation.coherence_s` it belongs to (seed, step of the sequence), and chance changes slowly along the sequence.

Shapes: T frames, N steps of the whole, W steps of a window, B windows at a time, M steps that are drawn at once,
Q levels, K codebook entries, C channels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.audio import frame_to_sample
from emage.config import GenerationConfig
from emage.errors import warn_input
from emage.models.masked_transformer import MaskedGestureTransformer
from emage.slow_noise import SMALLEST, SlowNoise, gumbel
from emage.vocabulary import PAD

WINDOWS_AT_ONCE = 32
LOWEST_TEMPERATURE = 1e-4  # below it the most probable code is taken; logits divided by it stay within float32


@dataclass(frozen=True)
class Span:
    """One window: its steps [start, stop) of the sequence, and those [first, last) that are drawn in it."""

    start: int
    stop: int
    first: int
    last: int


def plan_windows(num_steps: int, window: int, context: float) -> list[Span]:
    """Overlapping windows over a sequence; every step is drawn in exactly one of them.

    Args:
        num_steps: N.
        window: W; a shorter sequence is one window of its own length.
        context: share of a window at each end in which nothing is drawn, but at the ends of the sequence.
    """
    if num_steps <= window:
        return [Span(0, num_steps, 0, num_steps)]
    margin = min(round(window * context), (window - 1) // 2)
    starts = [*range(0, num_steps - window, window - 2 * margin), num_steps - window]
    spans, first = [], 0
    for start in starts:
        last = num_steps if start == starts[-1] else start + window - margin
        spans.append(Span(start, start + window, first, last))
        first = last
    return [span for span in spans if span.last > span.first]


@dataclass
class Request:
    """What is known of one stretch of speech; tensors lie on the model's device.

    Attributes:
        waveform: (S,).
        words: (T,) int64.
        emotion: (T,) int64.
        speaker: index.
        given: which of audio, words, speaker, emotion are there.
        hints: (T, P) raw values by part.
        hint_given: (T, P) bool by part.
    """

    waveform: Tensor
    words: Tensor
    emotion: Tensor
    speaker: int
    given: Mapping[str, bool]
    hints: Mapping[str, Tensor]
    hint_given: Mapping[str, Tensor]


@dataclass
class Chance:
    """What one decoding step draws by.

    Attributes:
        uniform: (N, parts, levels + 1) in [0, 1).
        slow: by part, the noise that takes the place of the levels' numbers if chance shall stay alike for a while; or None.
    """

    uniform: Tensor
    slow: Mapping[str, SlowNoise] | None


class CodeDecoder:
    """Draws the codes of a stretch of speech.

    Args:
        model: in evaluation mode.
        options: how to decode.
        window_frames: of training.
        fps: frames per second.
        sample_rate: samples per second of the waveform.
    """

    def __init__(
        self,
        model: MaskedGestureTransformer,
        options: GenerationConfig,
        *,
        window_frames: int,
        fps: float,
        sample_rate: int,
    ) -> None:
        self.model, self.options = model, options
        self.fps, self.sample_rate = fps, sample_rate
        self.downsample = model.tokenizer.downsample
        self.window = max(2, (options.window_frames or window_frames) // self.downsample)
        self.levels = {part: model.tokenizer.vqvaes[part].num_quantizers for part in model.parts}

    @torch.no_grad()
    def decode(self, request: Request, seed: int | Sequence[int]) -> dict[str, Tensor]:
        """The latents of all parts, (1, N, C) each, N = T / downsample rounded up, for `MotionTokenizer.decode_latents`."""
        num_steps = -(-len(request.words) // self.downsample)
        spans = plan_windows(num_steps, self.window, self.options.context)
        batches = [spans[k : k + WINDOWS_AT_ONCE] for k in range(0, len(spans), WINDOWS_AT_ONCE)]
        request = self._padded(request, num_steps)
        conditions = [self._conditions(request, batch) for batch in batches]
        device = request.words.device
        latents = {
            part: torch.zeros(num_steps, self.model.tokenizer.vqvaes[part].code_dim, device=device)
            for part in self.levels
        }
        known = {part: torch.zeros(num_steps, dtype=torch.bool, device=device) for part in self.levels}
        draws, slow = self._draws(seed, num_steps), self._slow_noise(seed, num_steps)
        for step in range(self.options.steps):
            chance = Chance(torch.from_numpy(draws[:, step]).to(device), slow)
            surest = {part: torch.zeros(num_steps, device=device) for part in self.levels}
            drawn = {part: value.clone() for part, value in latents.items()}
            for batch, condition in zip(batches, conditions, strict=True):
                self._draw(batch, condition, latents, known, chance, drawn, surest)
            self._fix(step, latents, known, chance.uniform, drawn, surest)
        return {part: value[None] for part, value in latents.items()}

    def _draws(self, seed: int | Sequence[int], num_steps: int) -> np.ndarray:
        """(N, decoding steps, parts, levels + 1) numbers in [0, 1): those of a step do not depend on what follows it."""
        shape = (num_steps, self.options.steps, len(self.levels), max(self.levels.values()) + 1)
        return np.random.default_rng(seed).random(shape, dtype=np.float32)

    def _slow_noise(self, seed: int | Sequence[int], num_steps: int) -> dict[str, SlowNoise] | None:
        """By part, the noise of `generation.coherence_s`; None if that is less than two steps (warned of, unless 0)."""
        every = round(self.options.coherence_s * self.fps / self.downsample)
        if every < 2:
            if self.options.coherence_s > 0:
                two_steps_s = 2 * self.downsample / self.fps
                warn_input(
                    f"generation.coherence_s: {self.options.coherence_s:g} s is less than two steps of this model"
                    f" ({two_steps_s:.3g} s), so it is off; give 0, or {two_steps_s:.3g} or more"
                )
            return None
        seeds = np.random.SeedSequence(seed).spawn(len(self.levels))
        sizes = {
            part: [self.model.tokenizer.vqvaes[part].codebook_size] * levels for part, levels in self.levels.items()
        }
        return {
            part: SlowNoise(own, num_steps, every=every, sizes=sizes[part])
            for own, part in zip(seeds, self.levels, strict=True)
        }

    def _padded(self, request: Request, num_steps: int) -> Request:
        """The request with whole steps: silence and nothing given in the frames behind the last."""
        frames = num_steps * self.downsample
        missing = frames - len(request.words)
        samples = frame_to_sample(frames, self.fps, self.sample_rate)

        def rows(x: Tensor, value: float) -> Tensor:
            return torch.cat([x, x.new_full((missing, *x.shape[1:]), value)])

        waveform = request.waveform[:samples]
        return Request(
            torch.nn.functional.pad(waveform, (0, samples - len(waveform))),
            rows(request.words, PAD),
            torch.cat([request.emotion, request.emotion[-1:].expand(missing)]),
            request.speaker,
            request.given,
            {part: rows(value, 0.0) for part, value in request.hints.items()},
            {part: rows(value, False) for part, value in request.hint_given.items()},
        )

    def _conditions(self, request: Request, spans: list[Span]) -> list[Tensor]:
        """What the network makes of the speech in some windows, (B, W, C); with guidance also without the speech."""
        speech, hints, hint_given = self._window_inputs(request, spans)
        device = request.words.device
        results = []
        for share in (1.0, 0.0) if self.options.guidance != 1 else (1.0,):
            given = {
                name: torch.full((len(spans),), bool(there and share), device=device)
                for name, there in request.given.items()
            }
            results.append(
                self.model.condition(speech, given, hints, hint_given, fps=self.fps, sample_rate=self.sample_rate)
            )
        return results

    def _window_inputs(self, request: Request, spans: list[Span]) -> tuple[dict[str, Tensor], ...]:
        frames = [(span.start * self.downsample, span.stop * self.downsample) for span in spans]
        num_samples = frame_to_sample(frames[0][1] - frames[0][0], self.fps, self.sample_rate)
        waveform = []
        for start, _ in frames:
            # Rounded start plus rounded length may reach one sample beyond the end: the slice then begins one earlier.
            first = frame_to_sample(start, self.fps, self.sample_rate)
            first = min(first, len(request.waveform) - num_samples)
            waveform.append(request.waveform[first : first + num_samples])

        def cut(x: Tensor) -> Tensor:
            return torch.stack([x[start:stop] for start, stop in frames])

        speech = {
            "waveform": torch.stack(waveform),
            "words": cut(request.words),
            "speaker": torch.full((len(spans),), request.speaker, device=request.words.device),
            "emotion": cut(request.emotion),
        }
        hints = {part: cut(value) for part, value in request.hints.items()}
        return speech, hints, {part: cut(value) for part, value in request.hint_given.items()}

    def _draw(
        self,
        spans: list[Span],
        conditions: list[Tensor],
        latents: dict[str, Tensor],
        known: dict[str, Tensor],
        chance: Chance,
        drawn: dict[str, Tensor],
        surest: dict[str, Tensor],
    ) -> None:
        """Draws what is not known in some windows, into `drawn` and `surest` (its log probability)."""
        steps = torch.stack([torch.arange(span.start, span.stop) for span in spans])  # (B, W)
        own = torch.stack([(row >= s.first) & (row < s.last) for row, s in zip(steps, spans, strict=True)])
        device = chance.uniform.device
        steps, own = steps.to(device), own.to(device)
        shown = {part: value[steps] for part, value in latents.items()}
        is_known = {part: value[steps] for part, value in known.items()}
        states = [self.model.states(condition, shown, is_known) for condition in conditions]
        for number, part in enumerate(self.levels):
            wanted = own & ~is_known[part]  # (B, W)
            if not wanted.any():
                continue
            places = steps[wanted]  # (M,)
            slow = None if chance.slow is None else chance.slow[part].at(places)
            drawn[part][places], surest[part][places] = self._draw_levels(
                part, [state[part][wanted] for state in states], chance.uniform[places, number], slow
            )

    def _draw_levels(
        self, part: str, states: list[Tensor], chances: Tensor, noise: list[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """(M, C') states -> latents (M, C) and the log probability of their first level (M,).

        Chance comes from `chances`, (M, levels + 1), or from Gumbel `noise` of each level, (M, K).
        """
        options, head = self.options, self.model.heads[part]
        latents: Tensor | None = None
        first = torch.zeros(len(chances), device=chances.device)
        for level in range(self.levels[part]):
            logits = [head.level(level, state, latents) for state in states]  # (M, K) each
            mixed = logits[0] if len(logits) == 1 else logits[1] + options.guidance * (logits[0] - logits[1])
            if level and options.residual_temperature == 0:
                entry = mixed.softmax(dim=-1) @ head.entries(level)
            else:
                temperature = options.residual_temperature if level else options.temperature
                code = _choose(mixed, temperature, chances[:, level], None if noise is None else noise[level])
                entry = head.entries(level)[code]
                first = first if level else mixed.log_softmax(dim=-1).gather(1, code[:, None])[:, 0]
            latents = entry if latents is None else latents + entry
        return latents, first

    def _fix(
        self,
        step: int,
        latents: dict[str, Tensor],
        known: dict[str, Tensor],
        chances: Tensor,
        drawn: dict[str, Tensor],
        surest: dict[str, Tensor],
    ) -> None:
        """Keeps, of each part, as many of the drawn codes as the schedule says: the surest ones, roughly.

        Source: Chang et al. 2022, "MaskGIT", section 3.2: cosine schedule, order by log probability with Gumbel noise.
        """
        left = math.cos(0.5 * math.pi * (step + 1) / self.options.steps)
        for number, part in enumerate(self.levels):
            num_steps = len(known[part])
            wanted = num_steps - math.floor(left * num_steps + SMALLEST)
            if step == self.options.steps - 1:
                wanted = num_steps
            uniform = chances[:, number, -1].clamp(SMALLEST, 1 - 1e-6)
            noise = gumbel(uniform) * self.options.order_noise * left
            order = (surest[part] + noise).masked_fill(known[part], math.inf)  # what is known stays known
            chosen = order.topk(max(wanted, 1)).indices
            latents[part][chosen] = torch.where(known[part][chosen, None], latents[part][chosen], drawn[part][chosen])
            known[part][chosen] = True


def _choose(logits: Tensor, temperature: float, chances: Tensor, noise: Tensor | None) -> Tensor:
    """Codes (M,) of logits (M, K) by one chance each, (M,) in [0, 1), or by Gumbel noise (M, K).

    A temperature below LOWEST_TEMPERATURE takes the most probable one.
    """
    if temperature < LOWEST_TEMPERATURE:
        return logits.argmax(dim=-1)
    if noise is not None:
        return (logits / temperature + noise).argmax(dim=-1)
    sums = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
    codes = torch.searchsorted(sums, chances[:, None] * sums[:, -1:], right=True)[:, 0]
    return codes.clamp(max=logits.shape[-1] - 1)
