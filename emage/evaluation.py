"""Generated motion beside the real one -> numbers: FGD, beat alignment with its chance levels, and the floor of both.

The FGD network judges in its own terms: its layout, its window, its statistics. Both sides of a pair are in one layout
and filled up with one pose, so that a joint or a root movement that the generator does not make cannot tell them apart.

Shapes: T frames, S samples, D columns.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.audio import frame_to_sample
from emage.checkpoint import Bundle, load_bundle, weights_hash
from emage.errors import InputError
from emage.export import performance_to_bvh
from emage.generation import checkpoint_in
from emage.metrics import FGD, BeatAlign
from emage.motion.convert import convert
from emage.performance import Performance

FGD_MODEL = "motion_autoencoder"


@dataclass(frozen=True)
class Pair:
    """One recording to be scored: both motions have the same frames, skeleton and frame rate.

    Attributes:
        id: of the recording.
        generated: what is judged.
        reference: what the person did, in the layout of `generated`.
        waveform: (S,) the speech of the same frames.
    """

    id: str
    generated: Performance
    reference: Performance
    waveform: np.ndarray

    def __post_init__(self) -> None:
        if self.generated.num_frames != self.reference.num_frames:
            raise InputError(
                f"{self.id}: {self.generated.num_frames} generated frames beside {self.reference.num_frames} real ones;"
                " bring both to one frame rate and length"
            )

    def after(self, num_frames: int, sample_rate: int) -> "Pair":
        """The pair without its first frames, e.g. those that were given to the model."""
        first_sample = frame_to_sample(num_frames, self.generated.fps, sample_rate)
        generated, reference = (
            dataclasses.replace(side, motion=side.motion[num_frames:], face=None)
            for side in (self.generated, self.reference)
        )
        return Pair(self.id, generated, reference, self.waveform[first_sample:])


@dataclass(frozen=True)
class FGDNetwork:
    """A trained motion autoencoder with all that an FGD value hangs on.

    Attributes:
        bundle: the checkpoint.
        folder: where it lies.
        weights_hash: SHA-256 of its weights; values of different networks do not compare.
    """

    bundle: Bundle
    folder: Path
    weights_hash: str

    def describe(self) -> dict[str, Any]:
        """What is written beside an FGD value."""
        info, model = self.bundle.info, self.bundle.config.model
        return {
            "checkpoint": str(self.folder),
            "weights_sha256": self.weights_hash,
            "steps": info.get("steps"),
            "layout": model.layout,
            "features": model.features,
        }

    def metric(self) -> FGD:
        """An empty FGD with the windows that the network was trained on."""
        data = self.bundle.config.data
        return FGD(self.bundle.model, window_frames=data.window_frames, stride_frames=data.stride_frames)

    def features_of(self, performance: Performance) -> Tensor:
        """The motion as the network sees it, (T, D) z-scored."""
        layout = self.bundle.config.model.layout
        motion = convert(performance.motion, performance.layout, layout, fill=performance.fill)
        return self.bundle.statistics.normalise(motion, layout)


def load_fgd_network(folder: str | Path, train_command: str, *, device: str | torch.device = "cpu") -> FGDNetwork:
    """Loads the network that FGD measures with.

    Args:
        folder: checkpoint of a trained motion_autoencoder; "" is an error.
        train_command: the command that trains one, for the error messages.
        device: where it runs.

    Raises:
        InputError: none given, none there, one of another model, or an untrained one.
    """
    remedy = f"train one with `{train_command}`"
    if not str(folder):
        raise InputError(
            f"metrics.fgd.checkpoint: not set; FGD needs a trained {FGD_MODEL}: {remedy} and give its folder"
        )
    if not Path(folder).is_dir():
        raise InputError(f"metrics.fgd.checkpoint: no folder {folder}; {remedy}")
    folder = checkpoint_in(folder)
    bundle = load_bundle(folder, expected=FGD_MODEL)
    if not bundle.info.get("steps"):
        raise InputError(
            f"metrics.fgd.checkpoint: {folder} is untrained (0 steps), its distances mean nothing; {remedy}"
        )
    bundle.model.to(device)
    return FGDNetwork(bundle, folder, weights_hash(folder))


def evaluate(
    pairs: Iterable[Pair], fgd_network: FGDNetwork, *, sample_rate: int, beat_align: str = "corrected", seed: int = 0
) -> dict[str, Any]:
    """Scores generated motion against the real one.

    Args:
        pairs: one for each recording, all at one frame rate; taken one after the other and not kept.
        fgd_network: what FGD measures with.
        sample_rate: of the waveforms.
        beat_align: variant of the beat alignment, `corrected` or `beat2022`; it is also taken of the real motion, since
            a score above that is not a better one.
        seed: of the chance levels and of the split halves.

    Returns:
        Plain values for json: `fgd` with its network, `split_half_floor`, `beat_align`, `beat_align_reference`,
        `counts`, and `not_scored` (which recording, in which metric, why).

    Raises:
        InputError: no pairs, motion at another frame rate than the network's, or without joints that it needs.
    """
    fgd, not_scored = fgd_network.metric(), []
    generated_beats = reference_beats = None
    counts = {"recordings": 0, "frames": 0}
    fps = fgd_network.bundle.config.data.fps
    for pair in pairs:
        _check_fps(pair, fps, fgd_network)
        fgd.update(fgd_network.features_of(pair.generated), fgd_network.features_of(pair.reference))
        if pair.generated.num_frames < fgd.window_frames:
            frames = f"{pair.generated.num_frames} frames, shorter than the window of {fgd.window_frames}"
            not_scored.append({"id": pair.id, "metric": "fgd", "reason": frames})
        if generated_beats is None:
            generated_beats, reference_beats = (BeatAlign(beat_align, fps, sample_rate, seed=seed) for _ in range(2))
        onsets_s = generated_beats.onsets(pair.waveform)
        _add_beats(generated_beats, pair.generated, onsets_s)
        _add_beats(reference_beats, pair.reference, onsets_s)
        if not len(onsets_s):
            not_scored.append({"id": pair.id, "metric": "beat_align", "reason": "no onset in its audio"})
        counts["recordings"] += 1
        counts["frames"] += pair.generated.num_frames
    if generated_beats is None:
        raise InputError("evaluation: there is no recording to score")
    floor = fgd.split_half(seed=seed)
    if floor["split_half_mean"] is None:
        not_scored.append(
            {"id": "all", "metric": "split_half_floor", "reason": "it needs windows in at least 2 recordings"}
        )
    return {
        "fgd": {**fgd.compute(), "network": fgd_network.describe()},
        "split_half_floor": floor,
        "beat_align": generated_beats.compute(),
        "beat_align_reference": reference_beats.compute(),
        "counts": {**counts, "motion_s": counts["frames"] / fps},
        "not_scored": not_scored,
    }


def _check_fps(pair: Pair, fps: float, fgd_network: FGDNetwork) -> None:
    for performance in (pair.generated, pair.reference):
        if performance.fps != fps:
            raise InputError(
                f"{pair.id}: motion at {performance.fps:g} fps, but the FGD network {fgd_network.folder} was trained at"
                f" {fps:g} fps; train one at the frame rate of the motion"
            )


def _add_beats(metric: BeatAlign, performance: Performance, onsets_s: np.ndarray) -> None:
    if metric.variant == "beat2022":  # reads angles
        metric.update(performance.motion, None, layout=performance.layout, onsets_s=onsets_s)
    else:
        motion = performance_to_bvh(performance)
        metric.update_positions(motion.positions(), None, joint_names=motion.names, onsets_s=onsets_s)
