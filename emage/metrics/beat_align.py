"""Beat alignment (BC): do the turning points of the arms fall on the onsets of the speech?

For every onset the distance d to the nearest beat of the motion counts exp(-d^2 / (2 sigma^2)). Three variants:

`corrected`: onsets and beats in true seconds; elbows and wrists (or the arms' rotations) by NAME; a beat is a minimum
    of speed that stands out of the joint's own movement; mean over the joints. sigma is 0.1 s: with the published 0.3 s
    beats thrown at random score some 0.8 on speech, and little room is left above. 0.1 to 0.3 are sensible.
`beat2022`, `emage2024`: the published codes with their faults (beat_published.py), for comparison with their numbers.

A score says little by itself, since many beats are always near something. So every result stands beside two chance
levels, made from the same onsets and as many beats: beats thrown uniformly, and the motion's own shifted circularly.

Shapes: T frames, S samples, D columns, J joints, N onsets, M motion beats.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics import beat_published as published
from emage.metrics.beat_onsets import audio_onsets, mean_alignment, speed_minima
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio
from emage.motion import rotation
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import LAYOUTS, Layout, get_layout
from emage.motion.skeleton import canonical_name

SIGMA_S = {"corrected": 0.1, "beat2022": published.SIGMA_S, "emage2024": published.SIGMA_S}
POSITION_JOINTS = ("RightForeArm", "RightHand", "LeftForeArm", "LeftHand")  # elbows and wrists
SMPLX_POSITION_JOINTS = ("right_elbow", "right_wrist", "left_elbow", "left_wrist")
ROTATION_JOINTS = ("RightArm", "RightForeArm", "RightHand", "LeftArm", "LeftForeArm", "LeftHand")
ANGLE_LAYOUTS = ("beat_141", "beat_full")


def beat_alignment(
    motion_deg: ArrayLike,
    waveform: ArrayLike,
    sample_rate: int,
    fps: float,
    variant: str = "corrected",
    sigma_s: float | None = None,
) -> float:
    """Beat alignment of one recording by its joint angles; higher is better, but see the chance level of `BeatAlign`.

    Args:
        motion_deg: (T, 141) in beat_141 or (T, 228) in beat_full, Euler degrees.
        waveform: (S,) speech that starts with the motion.
        sample_rate: samples per second.
        fps: frames per second.
        variant: `corrected` or `beat2022`.
        sigma_s: tolerance in seconds; None: 0.1 (`corrected`) or 0.3 (`beat2022`).

    Returns:
        From 0 to 1; 0 where there is no onset or no beat.

    Raises:
        InputError: another variant, another number of columns, or values that are not finite.
    """
    metric = BeatAlign(variant, fps, sample_rate, sigma_s=sigma_s)
    motion = np.asarray(motion_deg)
    layout = next((name for name in ANGLE_LAYOUTS if motion.shape[1:] == (LAYOUTS[name].dim,)), None)
    if layout is None:
        widths = " or ".join(f"{LAYOUTS[name].dim} ({name})" for name in ANGLE_LAYOUTS)
        raise InputError(f"beat alignment: the motion has shape {motion.shape}; expected (frames, {widths})")
    onsets_s = metric.onsets_within(waveform, len(motion))
    return mean_alignment(onsets_s, metric.beats_of_angles(motion, layout), metric.sigma_s)


def beat_alignment_positions(
    positions: ArrayLike,
    waveform: ArrayLike,
    sample_rate: int,
    fps: float,
    mean_speed: ArrayLike | None = None,
    variant: str = "corrected",
    mask_frames: int = 0,
    joint_names: Sequence[str] | None = None,
) -> float:
    """Beat alignment of one recording by its joint positions.

    Args:
        positions: (T, J, 3); centimetres for `corrected`, any unit for `emage2024`.
        waveform: (S,) speech that starts with the motion.
        sample_rate: samples per second.
        fps: frames per second.
        mean_speed: (J,) mean speed of each joint in the data set, units per second; `emage2024` divides by it.
        variant: `corrected` or `emage2024`.
        mask_frames: frames cut off at both ends; `emage2024` only.
        joint_names: of the J joints, BEAT's or SMPL-X's; None: SMPL-X in its order.

    Returns:
        From 0 to 1; 0 where there is no onset or no beat.

    Raises:
        InputError: another variant, joints or mean speeds that are missing, or values that are not finite.
    """
    metric = BeatAlign(variant, fps, sample_rate, mean_speed=mean_speed, mask_frames=mask_frames)
    beats_s = metric.beats_of_positions(positions, joint_names)
    return mean_alignment(metric.onsets_within(waveform, len(np.asarray(positions))), beats_s, metric.sigma_s)


class BeatAlign(RecordingSums):
    """Beat alignment of recordings, with its chance levels; every onset weighs the same.

    Args:
        variant: `corrected`, `beat2022` or `emage2024` (see the file's docstring).
        fps: frames per second of the motion.
        sample_rate: samples per second of the audio.
        sigma_s: tolerance in seconds; None: that of the variant.
        seed: of the chance levels; the same beats and onsets always draw the same.
        num_draws: draws per recording and chance level.
        mean_speed: (J,) `emage2024`: the data set's mean speed of each joint.
        mask_frames: `emage2024`: frames cut off at both ends.

    Raises:
        InputError: another variant.
    """

    score_names = ("beat_align", "chance_random", "chance_shifted", "excess_over_random", "excess_over_shifted")
    limits = {"beat_align": (0.0, 1.0), "chance_random": (0.0, 1.0), "chance_shifted": (0.0, 1.0)}

    def __init__(
        self,
        variant: str,
        fps: float,
        sample_rate: int,
        *,
        sigma_s: float | None = None,
        seed: int = 0,
        num_draws: int = 20,
        mean_speed: ArrayLike | None = None,
        mask_frames: int = 0,
    ) -> None:
        super().__init__()
        if variant not in SIGMA_S:
            raise InputError(f"metrics.beat_align.variant: got {variant!r}; choose one of {', '.join(SIGMA_S)}")
        self.variant = variant
        self.fps = fps
        self.sample_rate = sample_rate
        self.sigma_s = SIGMA_S[variant] if sigma_s is None else sigma_s
        self.seed = seed
        self.num_draws = num_draws
        self.mean_speed = mean_speed
        self.mask_frames = mask_frames if variant == "emage2024" else 0

    def onsets(self, waveform: ArrayLike) -> np.ndarray:
        """Onsets of a waveform (S,) as this variant sees them, (N,) seconds: found once, they serve several motions."""
        if self.variant == "beat2022":
            return published.beat2022_onsets(waveform, self.sample_rate)
        if self.variant == "emage2024":
            return published.emage2024_onsets(waveform, self.sample_rate, fps=self.fps, mask_frames=self.mask_frames)
        return audio_onsets(waveform, self.sample_rate)

    def onsets_within(
        self, waveform: ArrayLike | None, num_frames: int, onsets_s: ArrayLike | None = None
    ) -> np.ndarray:
        """Onsets while the motion lasts, of the waveform or as given; the published codes cut none."""
        onsets_s = self.onsets(waveform) if onsets_s is None else np.array(onsets_s, dtype=np.float64)
        return onsets_s[onsets_s < num_frames / self.fps] if self.variant == "corrected" else onsets_s

    def update(
        self,
        motion: ArrayLike,
        waveform: ArrayLike | None,
        *,
        layout: str | Layout,
        onsets_s: ArrayLike | None = None,
        recording_id: str | None = None,
    ) -> None:
        """Adds a recording by its rotations.

        Args:
            motion: (T, D) in the units of the layout (degrees, rot6d), not z-scored.
            waveform: (S,); not read where `onsets_s` is given.
            layout: of the motion. `beat2022` judges Euler angles, so it sees jumps of a motion converted from rot6d.
            onsets_s: (N,) what `onsets` found in the waveform.
            recording_id: its name; None: its number.

        Raises:
            InputError: the layout lacks the joints, the variant reads positions, or values are not finite.
        """
        beats_s = self.beats_of_angles(motion, layout)
        self._add_beats(recording_id, beats_s, waveform, num_frames=len(motion), onsets_s=onsets_s)

    def update_positions(
        self,
        positions_cm: ArrayLike,
        waveform: ArrayLike | None,
        *,
        joint_names: Sequence[str] | None,
        onsets_s: ArrayLike | None = None,
        recording_id: str | None = None,
    ) -> None:
        """Adds a recording by its joint positions: the better measure, since a wrist also moves with arm and trunk.

        Args:
            positions_cm: (T, J, 3).
            waveform: (S,); not read where `onsets_s` is given.
            joint_names: J names; both of BEAT's spellings are understood, and SMPL-X's. None: SMPL-X in its order.
            onsets_s: (N,) what `onsets` found in the waveform.
            recording_id: its name; None: its number.

        Raises:
            InputError: a joint is missing, the variant is `beat2022`, which reads angles, or values are not finite.
        """
        beats_s = self.beats_of_positions(positions_cm, joint_names)
        self._add_beats(recording_id, beats_s, waveform, num_frames=len(positions_cm), onsets_s=onsets_s)

    def compute(self) -> dict[str, Any]:
        """Mean over all onsets of the scored recordings, its chance levels and the excess over them, and the counts.

        `beat_align` and what follows from it are None if no recording was scored. One without onsets is not scored.
        """
        summaries = self._summaries.values()
        scored = [summary for summary in summaries if summary["onsets"] > 0]
        return {
            **super().compute(),
            "variant": self.variant,
            "sigma_s": self.sigma_s,
            "num_recordings": len(scored),
            "num_recordings_without_onsets": len(summaries) - len(scored),
            "num_recordings_without_motion_beats": sum(bool(summary["beats"] == 0) for summary in scored),
            "num_onsets": int(sum(summary["onsets"] for summary in scored)),
            "num_motion_beats": int(sum(summary["beats"] for summary in scored)),
        }

    def beats_of_angles(self, motion: ArrayLike, layout: str | Layout) -> list[np.ndarray]:
        """Beats of each joint, (M,) seconds; see `update`."""
        if self.variant == "emage2024":
            raise InputError("beat alignment: the variant emage2024 reads joint positions; use update_positions")
        layout = get_layout(layout)
        motion = torch.as_tensor(motion).detach().to("cpu", torch.float64)
        check_finite(motion.numpy(), "beat alignment: the motion")
        if self.variant == "beat2022":
            if layout.name != published.BEAT_LAYOUT:
                motion = convert(motion, layout, published.BEAT_LAYOUT)
            columns = get_layout(published.BEAT_LAYOUT).joint_slice(published.BEAT_JOINT)
            return [published.beat2022_beats(motion[:, columns].numpy(), self.fps)]
        places = _places(layout.joints, ROTATION_JOINTS, f"layout {layout.name}")
        matrix = to_matrices(motion, layout)[:, places]  # (T, J, 3, 3)
        angle = rotation.angle_between(matrix[:-1], matrix[1:])  # (T-1, J)
        return [speed_minima(column, self.fps) for column in torch.rad2deg(angle).mul(self.fps).numpy().T]

    def beats_of_positions(self, positions: ArrayLike, joint_names: Sequence[str] | None) -> list[np.ndarray]:
        """Beats of each joint, (M,) seconds; see `update_positions`."""
        if self.variant == "beat2022":
            raise InputError("beat alignment: the variant beat2022 reads joint angles; give it a motion, not positions")
        positions = torch.as_tensor(positions).detach().to("cpu", torch.float64).numpy()  # (T, J, 3)
        if positions.ndim != 3 or positions.shape[2] != 3:
            raise InputError(f"beat alignment: positions of shape {positions.shape}; expected (frames, joints, 3)")
        check_finite(positions, "beat alignment: the positions")
        if self.variant == "emage2024":
            if self.mean_speed is None:
                raise InputError("beat alignment: emage2024 divides by the data set's mean_speed (joints,); give it")
            joints = published.emage2024_joints(joint_names, positions.shape[1])
            return published.emage2024_beats(
                positions, self.fps, mean_speed=self.mean_speed, mask_frames=self.mask_frames, joints=joints
            )
        names = published.SMPLX_BODY[: positions.shape[1]] if joint_names is None else joint_names
        smplx = set(SMPLX_POSITION_JOINTS) <= set(names)
        places = _places(names, SMPLX_POSITION_JOINTS if smplx else POSITION_JOINTS, "positions")
        speed = np.linalg.norm(np.diff(positions[:, places], axis=0), axis=-1) * self.fps  # (T-1, J)
        return [speed_minima(column, self.fps) for column in speed.T]

    def _add_beats(
        self,
        recording_id: str | None,
        beats_s: list[np.ndarray],
        waveform: ArrayLike | None,
        *,
        num_frames: int,
        onsets_s: ArrayLike | None,
    ) -> None:
        onsets_s = self.onsets_within(waveform, num_frames, onsets_s)
        duration_s = max(num_frames - 2 * self.mask_frames, 0) / self.fps
        random, shifted = self._chance(onsets_s, beats_s, duration_s)
        count = len(onsets_s)
        self._add(
            recording_id,
            onsets=count,
            beats=sum(len(joint) for joint in beats_s),
            beat_align=count * mean_alignment(onsets_s, beats_s, self.sigma_s),
            chance_random=count * random,
            chance_shifted=count * shifted,
        )

    def _chance(self, onsets_s: np.ndarray, beats_s: list[np.ndarray], duration_s: float) -> tuple[float, float]:
        """Score of as many beats thrown uniformly, and of the motion's own shifted circularly; means over the draws."""
        if not len(onsets_s) or duration_s == 0:
            return 0.0, 0.0
        # Seeded by what is scored and not by its number: the order of the recordings must not matter.
        content = zlib.crc32(np.concatenate([onsets_s, *beats_s]).astype(np.float64).tobytes())
        generator = np.random.default_rng((self.seed, content))
        random, shifted = [], []
        for _ in range(self.num_draws):
            thrown = [generator.uniform(0, duration_s, len(joint)) for joint in beats_s]
            random.append(mean_alignment(onsets_s, thrown, self.sigma_s))
            shift_s = generator.uniform(0, duration_s)
            moved = [(joint + shift_s) % duration_s for joint in beats_s]
            shifted.append(mean_alignment(onsets_s, moved, self.sigma_s))
        return float(np.mean(random)), float(np.mean(shifted))

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = ("beat_align", "chance_random", "chance_shifted")
        score, random, shifted = (ratio(sums[name], sums["onsets"]) for name in names)
        return {
            **dict(zip(names, (score, random, shifted), strict=True)),
            "excess_over_random": score - random,
            "excess_over_shifted": score - shifted,
        }


def _places(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Where the wanted joints stand among `names`, in any of BEAT's spellings."""
    known = [canonical_name(name) for name in names]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(f"beat alignment: {where} lacks {', '.join(missing)}; it needs {', '.join(wanted)}")
    return [known.index(name) for name in wanted]
