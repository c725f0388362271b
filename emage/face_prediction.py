"""Sound -> the face that a trained face trunk gives it, in the annotation of whichever corpus is asked for.

Shapes: S samples, T frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.checkpoint import Bundle
from emage.config import Config
from emage.errors import InputError
from emage.motion.resample import frame_count, resample_axis_angle, resample_face

NEUTRAL = 0  # the speaker that stands for none
ARKIT_FORMATS = ("raw", "beat_cache")
_OWN = {"emoca": ("flame50", "flame_53"), "singinghead": ("flame50", "flame_53"), "beat2": ("flame100", "flame_103")}


@dataclass(eq=False)
class PredictedFace:
    """A face as its corpus annotates it.

    Attributes:
        values: (T, D) float32 in `layout`: arkit_51 (0 to 1), flame_53 or flame_103.
        layout: of the values.
        head: (T, 3) rotation of the head as axis-angle in radians, where the corpus knows it, else None.
        fps: frames per second.
    """

    values: Tensor
    layout: str
    head: Tensor | None
    fps: float


def corpus_formats(config: Config) -> dict[str, str]:
    """Name -> data format of the corpora that a face trunk was trained on, in the order of their numbers."""
    mixture = config.mixture
    return {mixture.main: config.data.format, **{name: corpus.format for name, corpus in mixture.corpora.items()}}


def predict_face(
    bundle: Bundle, waveform: np.ndarray, corpus: str, *, speaker: str = "", fps: float | None = None
) -> PredictedFace:
    """The face of a waveform of any length.

    Args:
        bundle: a trained face trunk.
        waveform: (S,) at the sample rate of its config.
        corpus: name of the corpus whose annotation and look are asked for.
        speaker: label of one of its speakers; empty, or one who was not trained on: the neutral identity.
        fps: of the result; None: that of the training.

    Returns:
        Exactly round(duration * fps) frames.

    Raises:
        InputError: another model, an unknown corpus, or no sound.
    """
    config, model = bundle.config, bundle.model
    if config.model.name != "face":
        raise InputError(f"a face is predicted by a face trunk; this is a checkpoint of {config.model.name}")
    formats = corpus_formats(config)
    if corpus not in formats:
        raise InputError(f"corpus {corpus!r} is unknown to this face trunk; choose one of {', '.join(formats)}")
    duration_s = len(waveform) / config.data.sample_rate
    own_frames = frame_count(duration_s, config.data.fps)
    if own_frames < 1:
        raise InputError(f"{duration_s:.3f} s of sound: no frame at {config.data.fps:g} fps")
    label = f"{corpus}/{speaker}"
    number = torch.tensor([list(formats).index(corpus)])
    identity = torch.tensor([bundle.speakers.index(label) if label in bundle.speakers.labels else NEUTRAL])
    with torch.no_grad():
        output = model(
            torch.from_numpy(np.asarray(waveform, dtype=np.float32))[None],
            number,
            identity,
            num_frames=own_frames,
            fps=config.data.fps,
            sample_rate=config.data.sample_rate,
        )
        name, layout = ("arkit", "arkit_51") if formats[corpus] in ARKIT_FORMATS else _OWN[formats[corpus]]
        values = model.face(output, name, number)[0]
        head = model.face(output, "head", number)[0] if formats[corpus] in ("emoca", "singinghead") else None
    fps = fps or config.data.fps
    options = {"target_fps": fps, "num_frames": frame_count(duration_s, fps)}
    values = resample_face(values, layout, config.data.fps, **options)
    if layout == "arkit_51":
        values = values.clamp(0, 1)
    if head is not None:
        head = resample_axis_angle(head[:, None], config.data.fps, fps, options["num_frames"])[:, 0]
    return PredictedFace(values, layout, head, fps)
