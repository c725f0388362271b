"""What a training window of the masked transformer is shown: which codes, which inputs, which values of the motion.

Every draw comes from the seed of its window alone, so that the same windows are hidden alike on any number of
processes and after any interruption. The task grows harder with training (`progress`): first a few codes are hidden,
in the end often all of them, as where generation starts.

Shapes: B batch, T frames, N steps, P values of a part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.config import MaskedTransformerConfig
from emage.models.speech import INPUTS
from emage.models.tokenizer import MotionTokenizer
from emage.motion.layout import ARKIT_51, part_joints

# How the codes of a window are hidden, and how often at the end of training.
# Everything is hidden in half of the windows: decoding begins there, and what is learned beside true codes only is to copy them.
HIDING = {"everything": 0.5, "frames": 0.25, "span": 0.1, "parts": 0.1, "all but a seed": 0.05}
CURRICULUM_END = 0.3  # of the training: from then on as above
EASIEST = 0.3  # most of the steps that may be hidden at the beginning
SPELLED = 0.1  # of the windows: words by their spelling
ARM_JOINTS = ("Shoulder", "Arm", "ForeArm", "Hand")


@dataclass
class Shown:
    """What a batch of windows shows.

    Attributes:
        given: (B,) bool by input.
        known: (B, N) bool by part: codes that are shown.
        hint_given: (B, T, P) bool by part: values that are shown.
        spelled: (B,) bool: windows whose words are read as unknown ones are, by their spelling.
        shift: (B, N) int64: the step whose codes stand at each step of what is shown: mostly the step itself. Drawn codes
            are not always right, and a network that trusted all it is shown would repeat every mistake.
    """

    given: dict[str, Tensor]
    known: dict[str, Tensor]
    hint_given: dict[str, Tensor]
    spelled: Tensor
    shift: Tensor

    def to(self, device: torch.device) -> "Shown":
        """The same on another device."""
        moved = [
            {key: value.to(device, non_blocking=True) for key, value in group.items()}
            for group in (self.given, self.known, self.hint_given)
        ]
        return Shown(*moved, *(x.to(device, non_blocking=True) for x in (self.spelled, self.shift)))


class WindowMasks:
    """Draws what windows show.

    Args:
        config: shares of hidden inputs and of hints.
        tokenizer: parts, their columns, frames a step.
    """

    def __init__(self, config: MaskedTransformerConfig, tokenizer: MotionTokenizer) -> None:
        self.config = config
        self.parts = tuple(tokenizer.parts)
        self.downsample = tokenizer.downsample
        self.num_values = {part: tokenizer.vqvaes[part].num_values for part in self.parts}
        self.groups = hint_groups(tokenizer)

    def draw(self, seeds: Sequence[int], num_frames: int, progress: float) -> Shown:
        """Draws for one window per seed.

        Args:
            seeds: of the windows.
            num_frames: T.
            progress: 0 at the start of training, 1 at its end.
        """
        num_steps = -(-num_frames // self.downsample)
        drawn = []
        for seed in seeds:
            rng = np.random.default_rng(int(seed))
            inputs, codes = self._inputs(rng), self._codes(rng, num_steps, progress)
            drawn.append(
                (inputs, codes, self._hints(rng, num_frames), self._shift(rng, num_steps), rng.random() < SPELLED)
            )
        inputs, codes, hints, shift, spelled = zip(*drawn, strict=True)
        return Shown(
            _stacked(inputs), _stacked(codes), _stacked(hints), torch.tensor(spelled), torch.from_numpy(np.stack(shift))
        )

    def _inputs(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        config = self.config
        shares = (config.audio_dropout, config.words_dropout, config.speaker_dropout, config.emotion_dropout)
        nothing = rng.random() < config.everything_dropout
        draws = rng.random(len(INPUTS))
        return {
            name: np.bool_(not nothing and draw >= share)
            for name, draw, share in zip(INPUTS, draws, shares, strict=True)
        }

    def _shift(self, rng: np.random.Generator, num_steps: int) -> np.ndarray:
        steps = np.arange(num_steps)
        wrong = rng.random(num_steps) < self.config.code_noise
        return np.where(wrong, rng.integers(0, num_steps, num_steps), steps)

    def _codes(self, rng: np.random.Generator, num_steps: int, progress: float) -> dict[str, np.ndarray]:
        most = min(1.0, EASIEST + (1 - EASIEST) * progress / CURRICULUM_END)
        kind = rng.choice(list(HIDING), p=list(HIDING.values()))
        if most < 1 and kind in ("everything", "all but a seed"):
            kind = "frames"
        known = {part: np.ones(num_steps, dtype=bool) for part in self.parts}
        if kind == "everything":
            return {part: np.zeros(num_steps, dtype=bool) for part in self.parts}
        if kind == "all but a seed":
            stop = rng.integers(1, max(2, num_steps // 4 + 1))
            return {part: np.arange(num_steps) < stop for part in self.parts}
        hidden = max(1, round(most * float(np.cos(0.5 * np.pi * rng.random())) * num_steps))
        if kind == "span":
            start = rng.integers(0, num_steps - hidden + 1)
            for part in self.parts:
                known[part][start : start + hidden] = False
            return known
        for part in self.parts:
            known[part][rng.permutation(num_steps)[:hidden]] = False
        if kind == "parts":  # some parts whole, the others not at all (at first: as above)
            for part in self.parts:
                if rng.random() < 0.4:
                    known[part][:] = True
                elif most == 1:
                    known[part][:] = False
        return known

    def _hints(self, rng: np.random.Generator, num_frames: int) -> dict[str, np.ndarray]:
        given = {part: np.zeros((num_frames, width), dtype=bool) for part, width in self.num_values.items()}
        if rng.random() >= self.config.hint_share:
            return given
        for _ in range(rng.integers(1, 3)):
            start, stop = _frames(rng, num_frames)
            for part, columns in self.groups[rng.choice(list(self.groups))].items():
                given[part][start:stop, columns] = True
        return given


def _stacked(windows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(np.stack([window[key] for window in windows])) for key in windows[0]}


def _frames(rng: np.random.Generator, num_frames: int) -> tuple[int, int]:
    """All frames, the first ones (a seed), or a span."""
    kind = rng.random()
    if kind < 0.3:
        return 0, num_frames
    if kind < 0.6:
        return 0, int(rng.integers(1, num_frames // 3 + 2))
    length = int(rng.integers(1, num_frames + 1))
    start = int(rng.integers(0, num_frames - length + 1))
    return start, start + length


def hint_groups(tokenizer: MotionTokenizer) -> dict[str, Mapping[str, np.ndarray]]:
    """What is given together: everything, each part, an arm, each joint of the body, the mouth: columns by part."""
    joints = {part: part_value_columns(tokenizer, part) for part in tokenizer.parts}
    every = {part: np.arange(tokenizer.vqvaes[part].num_values) for part in tokenizer.parts}
    groups: dict[str, Mapping[str, np.ndarray]] = {"everything": every}
    groups |= {part: {part: columns} for part, columns in every.items()}
    if "upper" in joints:
        for side in ("Right", "Left"):
            arm = [joints["upper"][side + name] for name in ARM_JOINTS]
            fingers = [columns for name, columns in joints.get("hands", {}).items() if name.startswith(side)]
            groups[f"{side} arm"] = {"upper": np.concatenate(arm)}
            if fingers:
                groups[f"{side} arm and hand"] = {"upper": np.concatenate(arm), "hands": np.concatenate(fingers)}
        groups |= {name: {"upper": columns} for name, columns in joints["upper"].items()}
    if "face" in joints:
        for prefix in ("mouth", "jaw", "eye", "brow"):
            names = [name for name in ARKIT_51 if name.startswith(prefix)]
            groups[prefix] = {"face": np.concatenate([joints["face"][name] for name in names])}
    return groups


def part_value_columns(tokenizer: MotionTokenizer, part: str) -> dict[str, np.ndarray]:
    """Where in the values of a part each of its joints (or facial channels) stands."""
    if part == "face":
        return {name: np.array([place]) for place, name in enumerate(ARKIT_51)}
    layout = tokenizer.layout
    place = {int(column): k for k, column in enumerate(layout.part_columns(part))}
    held = set(part_joints(part))
    return {
        joint: np.array([place[int(column)] for column in layout.joint_columns([joint])])
        for joint in layout.joints
        if joint in held
    }
