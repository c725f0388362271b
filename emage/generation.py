"""Speech of any length -> a Performance: the one place where a trained generator is run.

A recording is run whole (batch of one, evaluation mode, no windows), so no tail is dropped and no first frame lost: the
result has exactly round(duration * fps) frames.

Shapes: B batch (always 1 here), T frames, S samples, D columns of the model's layout.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from emage.audio import check_audio, frame_to_sample, resample_audio
from emage.checkpoint import WEIGHTS_FILE, Bundle, load_bundle
from emage.errors import InputError
from emage.motion.layout import get_layout
from emage.motion.resample import frame_count
from emage.performance import Performance
from emage.text import Word, word_indices
from emage.vocabulary import PAD, Vocabulary

FACE_LAYOUT = "arkit_51"
GENERATORS = ("camn",)  # the models that make motion from speech

logger = logging.getLogger(__name__)


def word_ids(words: Sequence[Word], vocabulary: Vocabulary, *, num_frames: int, fps: float) -> np.ndarray:
    """Ids of the words that sound in each frame, (T,) int64; PAD in silence."""
    ids = np.array([*(vocabulary.id(word.text) for word in words), PAD], dtype=np.int64)
    return ids[word_indices(words, num_frames, fps)]  # silence is -1, the last entry


class Generator:
    """A trained generator and what its weights mean something with: statistics, vocabulary, speakers, skeletons.

    Args:
        bundle: a checkpoint, as `emage.checkpoint.load_bundle` reads it.
        device: where the network runs, e.g. "cpu" or "cuda".

    Raises:
        InputError: if the checkpoint's model does not make motion from speech.
    """

    def __init__(self, bundle: Bundle, device: str | torch.device = "cpu") -> None:
        name = bundle.config.model.name
        if name not in GENERATORS:
            raise InputError(
                f"model.name: {name} makes no motion from speech; give a checkpoint of {' or '.join(GENERATORS)}"
            )
        self.bundle = bundle
        self.device = torch.device(device)
        self.model = bundle.model.to(self.device).eval()
        self.layout = get_layout(bundle.config.model.layout)
        self.fps: float = bundle.config.data.fps
        self.sample_rate: int = bundle.config.data.sample_rate

    @torch.no_grad()
    def generate(
        self,
        waveform: ArrayLike,
        sample_rate: int,
        *,
        words: Sequence[Word] = (),
        speaker: str | None = None,
        emotion: int | ArrayLike = 0,
        seed_motion: ArrayLike | None = None,
        face: ArrayLike | None = None,
    ) -> Performance:
        """Makes the motion (and the face, if the model predicts it) that goes with a stretch of speech.

        Args:
            waveform: (S,) mono speech, array or tensor, full scale = 1.
            sample_rate: samples per second of `waveform`; brought to the model's own rate.
            words: what is said when; empty: the model hears no words.
            speaker: label of a speaker the model knows; None: the first.
            emotion: BEAT's label 0 neutral ... 7 disgust, one for all or one per frame, (T,).
            seed_motion: (model.seed_frames, D) the first frames in the units of the model's layout; None: not given.
            face: (T, 51) ARKit weights, for a model that takes the face as input.

        Returns:
            Motion in the model's layout, exactly round(S / sample_rate * fps) frames; joints that the layout does not
            hold are left to the train mean pose (`fill`).

        Raises:
            InputError: speech shorter than a frame or not finite, an unknown speaker or emotion, a face or seed of the
                wrong shape, or one that the model needs and does not get or gets and cannot use.
        """
        samples = np.asarray(waveform, dtype=np.float32)
        if samples.ndim != 1:
            raise InputError(f"speech: got an array of shape {samples.shape}; expected one channel, (samples,)")
        num_frames = frame_count(len(check_audio(samples, "speech")) / sample_rate, self.fps)
        if num_frames == 0:
            raise InputError(
                f"speech: {len(samples)} samples at {sample_rate} Hz are less than one frame at {self.fps:g} fps"
            )
        speaker = self._known_speaker(speaker)
        index = self.bundle.speakers.index(speaker)
        output = self.model(
            waveform=self._batch(self._fit_samples(resample_audio(samples, sample_rate, self.sample_rate), num_frames)),
            words=self._batch(word_ids(words, self.bundle.vocabulary, num_frames=num_frames, fps=self.fps)),
            speaker=torch.tensor([index], device=self.device),
            emotion=self._batch(self._emotions(emotion, num_frames)),
            face=self._face(face, num_frames),
            seed_motion=self._seed(seed_motion),
            fps=self.fps,
            sample_rate=self.sample_rate,
        )
        statistics = self.bundle.statistics
        motion = statistics.denormalise(output.motion[0].cpu(), self.layout.name)  # (T, D)
        assert len(motion) == num_frames, f"the model made {len(motion)} frames, asked were {num_frames}"
        if output.face is not None:
            result_face = statistics.denormalise(output.face[0].cpu(), FACE_LAYOUT).clamp(0, 1)  # (T, 51)
        else:
            result_face = None if face is None else torch.tensor(np.asarray(face), dtype=torch.float32)
        return Performance(
            motion=motion,
            layout=self.layout.name,
            face=result_face,
            fps=self.fps,
            skeleton=self.bundle.skeletons[speaker],
            face_given=self.takes_face,
            fill=statistics.mean_pose,
        )

    @property
    def takes_face(self) -> bool:
        """Whether the captured face is an input; it is then handed on, and not a prediction."""
        return self.bundle.config.model.face_input

    def _known_speaker(self, speaker: str | None) -> str:
        if speaker is not None:
            return str(speaker)
        first = self.bundle.speakers.labels[0]
        if len(self.bundle.speakers) > 1:
            logger.info("no speaker given: %s moves, the first of %s", first, ", ".join(self.bundle.speakers.labels))
        return first

    def _fit_samples(self, samples: np.ndarray, num_frames: int) -> np.ndarray:
        """Exactly the samples of `num_frames` frames: half a frame at most is cut off or is silence."""
        wanted = frame_to_sample(num_frames, self.fps, self.sample_rate)
        return np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))

    def _emotions(self, emotion: int | ArrayLike, num_frames: int) -> np.ndarray:
        values = np.asarray(emotion)
        highest = self.bundle.config.model.num_emotions - 1
        if values.shape not in ((), (num_frames,)):
            raise InputError(
                f"emotion: got shape {values.shape}; expected one label, or one for each of the {num_frames} frames"
            )
        if values.size and not (0 <= values.min() and values.max() <= highest):
            raise InputError(
                f"emotion: got labels from {values.min()} to {values.max()}; the model knows 0 to {highest}"
            )
        return np.broadcast_to(values, (num_frames,)).astype(np.int64)

    def _face(self, face: ArrayLike | None, num_frames: int) -> Tensor | None:
        if self.takes_face and face is None:
            raise InputError(
                "face: this model takes the captured face as input (model.face_input=true); give its ARKit weights"
            )
        if face is None:
            return None
        if not self.takes_face:
            raise InputError("face: this model takes no face (model.face_input=false); leave it out")
        return self._batch(self._rows("face", face, FACE_LAYOUT, num_frames))

    def _seed(self, seed_motion: ArrayLike | None) -> Tensor | None:
        if seed_motion is None:
            return None
        seed_frames = self.bundle.config.model.seed_frames
        if not seed_frames:
            raise InputError("seed frames: this model takes none (model.seed_frames=0); leave them out")
        return self._batch(self._rows("seed frames", seed_motion, self.layout.name, seed_frames))

    def _rows(self, what: str, rows: ArrayLike, layout: str, num_frames: int) -> Tensor:
        """Checked and z-scored rows, (num_frames, columns of the layout)."""
        values = torch.as_tensor(np.asarray(rows), dtype=torch.float32)
        wanted = (num_frames, get_layout(layout).dim)
        if tuple(values.shape) != wanted:
            raise InputError(f"{what}: got shape {tuple(values.shape)}; expected {wanted} ({layout})")
        return self.bundle.statistics.normalise(values, layout)

    def _batch(self, values: np.ndarray | Tensor) -> Tensor:
        return torch.as_tensor(values, device=self.device)[None]


def checkpoint_in(folder: str | Path) -> Path:
    """The checkpoint meant by a folder: itself, or `best` inside it if it is a training run's output_dir (logged)."""
    folder = Path(folder)
    if (folder / "best").is_dir() and not (folder / WEIGHTS_FILE).is_file():
        logger.info("%s is a training run: its checkpoint %s is taken", folder, folder / "best")
        return folder / "best"
    return folder


def load_pretrained(folder: str | Path, device: str | torch.device = "cpu") -> Generator:
    """Loads a trained generator from its checkpoint folder; nothing else is needed.

    Raises:
        InputError: no checkpoint there, or one of a model that does not generate.
    """
    return Generator(load_bundle(checkpoint_in(folder)), device)
