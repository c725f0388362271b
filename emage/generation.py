"""Speech of any length -> a Performance: the one place where a trained generator is run.

CaMN runs over a recording as a whole, a masked transformer decodes overlapping windows of it (emage.decoding). Either
way no tail is dropped and no first frame lost: the result has exactly round(duration * fps) frames.

Shapes: B batch (always 1 here), T frames, S samples, D columns of the model's layout.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from emage.array_inputs import as_labels, as_numbers, check_rows
from emage.audio import check_audio, frame_to_sample, resample_audio
from emage.checkpoint import WEIGHTS_FILE, Bundle, load_bundle
from emage.completion import Completer, Given, as_seed, warn_of_long_seed
from emage.config import GenerationConfig
from emage.config_checks import at_least, check_seed
from emage.devices import usable_device
from emage.errors import InputError
from emage.models.speech import INPUTS
from emage.motion.arkit_motion import MAX_WEIGHT
from emage.motion.layout import MAX_CHANNEL, get_layout
from emage.motion.resample import frame_count
from emage.performance import Performance
from emage.pretrained import DEFAULT_NAME, pretrained_folder, pretrained_names
from emage.text import Word, word_indices
from emage.vocabulary import PAD, Vocabulary

FACE_LAYOUT = "arkit_51"
DEFAULT_SEED_FRAMES = 4  # of a model that takes any number; as CaMN
GENERATORS = ("camn", "masked_transformer")  # the models that make motion from speech

logger = logging.getLogger(__name__)


def word_ids(words: Sequence[Word], vocabulary: Vocabulary, *, num_frames: int, fps: float) -> np.ndarray:
    """Ids of the words that sound in each frame, (T,) int64; PAD in silence."""
    ids = np.array([*(vocabulary.id(word.text) for word in words), PAD], dtype=np.int64)
    return ids[word_indices(words, num_frames, fps)]  # silence is -1, the last entry


def as_seeds(seed: int | Sequence[int] | np.ndarray | Tensor) -> int | list[int]:
    """One seed or several as Python integers.

    Raises:
        InputError: none, or what is not a whole number from 0 to 2^63 - 1.
    """
    is_array = isinstance(seed, np.ndarray | Tensor)
    if isinstance(seed, str) or not (isinstance(seed, Sequence) or (is_array and seed.ndim > 0)):
        return check_seed("seed", seed)
    seeds = [check_seed("seed", value) for value in (seed.tolist() if is_array else seed)]
    if not seeds:
        raise InputError("seed: got no number; give one or several whole numbers")
    return seeds


class Generator:
    """A trained generator and what its weights mean something with: statistics, vocabulary, speakers, skeletons.

    Args:
        bundle: a checkpoint, as `emage.checkpoint.load_bundle` reads it.
        device: where the network runs, e.g. "cpu" or "cuda".

    Raises:
        InputError: if the checkpoint's model does not make motion from speech, or the device cannot be used.
    """

    def __init__(self, bundle: Bundle, device: str | torch.device = "cpu") -> None:
        name = bundle.config.model.name
        if name not in GENERATORS:
            raise InputError(
                f"model.name: {name} makes no motion from speech; give a checkpoint of {' or '.join(GENERATORS)}"
            )
        self.bundle = bundle
        self.device = usable_device(device)
        self.model = bundle.model.to(self.device).eval()
        self.layout = get_layout(bundle.config.model.layout)
        self.fps: float = bundle.config.data.fps
        self.sample_rate: int = bundle.config.data.sample_rate
        self.completer: Completer | None = None
        if name == "masked_transformer":
            self.completer = Completer(self.model, bundle.config, bundle.statistics.mean_pose)

    @torch.no_grad()
    def generate(
        self,
        waveform: ArrayLike,
        sample_rate: int,
        *,
        words: Sequence[Word] | None = None,
        speaker: str | None = None,
        emotion: int | ArrayLike | None = None,
        seed_motion: ArrayLike | None = None,
        face: ArrayLike | None = None,
        given: Given | None = None,
        without: Sequence[str] = (),
        seed: int | Sequence[int] | np.ndarray | Tensor = 0,
        options: GenerationConfig | None = None,
    ) -> Performance:
        """Makes the motion (and the face, if the model predicts it) that goes with a stretch of speech.

        Args:
            waveform: (S,) mono speech, array or tensor, full scale = 1.
            sample_rate: samples per second of `waveform`; brought to the model's own rate.
            words: what is said when; None: not known (to CaMN that is silence).
            speaker: label of a speaker the model knows; None: the first.
            emotion: BEAT's label 0 neutral ... 7 disgust, a whole number, one for all or one per frame, (T,); None: not
                known (to CaMN that is neutral).
            seed_motion: (n, D) the first frames in the units of the model's layout; None: not given. CaMN takes
                model.seed_frames of them, a masked transformer any number, and returns them as they are. Frames beyond
                the speech are cut off with an InputWarning.
            face: (T, 51) ARKit weights, for a model that takes the face as input.
            given: motion and face to be kept and completed, for a masked transformer.
            without: inputs that are to be left out all the same, of audio, words, speaker and emotion; for a masked
                transformer.
            seed: of the draws of a masked transformer, 0 to 2^63 - 1, or several such numbers, also as array or tensor;
                the same seed gives the same motion.
            options: how a masked transformer decodes; None: as its config says.

        Returns:
            Motion in the model's layout, exactly round(S / sample_rate * fps) frames; joints that the layout does not
            hold are left to the train mean pose (`fill`).

        Raises:
            InputError: speech shorter than a frame or not finite, an unknown speaker or emotion, a face, seed or given
                motion of the wrong shape, or one that the model needs and does not get or gets and cannot use, a seed
                or an option of decoding out of its range.
        """
        seeds = as_seeds(seed)
        tensors = self._speech(waveform, sample_rate, words or (), 0 if emotion is None else emotion)
        num_frames = len(tensors["words"])
        speaker = self._known_speaker(speaker)
        self._check_inputs(given, without, options)
        if self.completer is None:
            motion, made_face = self._cascade(tensors, speaker, seed_motion, face)
        else:
            absent = {*without, *(name for name, value in (("words", words), ("emotion", emotion)) if value is None)}
            self._face(face, num_frames)
            motion, made_face = self.completer.complete(
                **tensors,
                speaker=self.bundle.speakers.index(speaker),
                there={name: name not in absent for name in INPUTS},
                given=self._given(given, seed_motion, num_frames),
                skeleton=self.bundle.skeletons[speaker],
                seed=seeds,
                options=replace(options or self.bundle.config.generation),  # checked again: its fields can be set
            )
        assert len(motion) == num_frames, f"the model made {len(motion)} frames, asked were {num_frames}"
        if made_face is None and face is not None:
            made_face = as_numbers("face", face)
        return Performance(
            motion=motion,
            layout=self.layout.name,
            face=made_face,
            fps=self.fps,
            skeleton=self.bundle.skeletons[speaker],
            face_given=self.takes_face,
            fill=self.bundle.statistics.mean_pose,
        )

    def _speech(
        self, waveform: ArrayLike, sample_rate: int, words: Sequence[Word], emotion: int | ArrayLike
    ) -> dict[str, Tensor]:
        """Checked speech as the networks take it: waveform (S,), words (T,) and emotion (T,), on the device."""
        at_least("speech: sample_rate", sample_rate, 1)
        samples = as_numbers("speech", waveform).numpy()
        if samples.ndim != 1:
            raise InputError(f"speech: got an array of shape {samples.shape}; expected one channel, (samples,)")
        num_frames = frame_count(len(check_audio(samples, "speech")) / sample_rate, self.fps)
        if num_frames == 0:
            raise InputError(
                f"speech: {len(samples) / sample_rate:.3g} s ({len(samples)} samples at {sample_rate} Hz) are less than"
                f" one frame at {self.fps:g} fps; give {1 / self.fps:.3g} s or more"
            )
        speech = {
            "waveform": self._fit_samples(resample_audio(samples, sample_rate, self.sample_rate), num_frames),
            "words": word_ids(words, self.bundle.vocabulary, num_frames=num_frames, fps=self.fps),
            "emotion": self._emotions(emotion, num_frames),
        }
        return {name: torch.as_tensor(value, device=self.device) for name, value in speech.items()}

    def _given(self, given: Given | None, seed_motion: ArrayLike | None, num_frames: int) -> Given:
        """What a masked transformer has to keep."""
        if seed_motion is not None:
            if given is not None:
                raise InputError("seed frames: `given` is there too; put them into it")
            given = as_seed(seed_motion, self.layout.name, num_frames)
        return (given or Given()).checked(self.layout, num_frames)

    def _cascade(
        self, speech: dict[str, Tensor], speaker: str, seed_motion: ArrayLike | None, face: ArrayLike | None
    ) -> tuple[Tensor, Tensor | None]:
        """CaMN: motion (T, D) and the face (T, 51), if it is predicted."""
        batch = {name: value[None] for name, value in speech.items()}
        output = self.model(
            **batch,
            speaker=torch.tensor([self.bundle.speakers.index(speaker)], device=self.device),
            face=self._face(face, batch["words"].shape[1]),
            seed_motion=self._seed(seed_motion, batch["words"].shape[1]),
            fps=self.fps,
            sample_rate=self.sample_rate,
        )
        statistics = self.bundle.statistics
        motion = statistics.denormalise(output.motion[0].cpu(), self.layout.name)
        if output.face is None:
            return motion, None
        return motion, statistics.denormalise(output.face[0].cpu(), FACE_LAYOUT).clamp(0, 1)

    def _check_inputs(self, given: Given | None, without: Sequence[str], options: GenerationConfig | None) -> None:
        unknown = [name for name in without if name not in INPUTS]
        if unknown:
            raise InputError(f"without: got {unknown[0]!r}; choose from {', '.join(INPUTS)}")
        if self.completer is None and (given is not None or without or options is not None):
            raise InputError(
                f"model.name: {self.bundle.config.model.name} takes no given motion, leaves no input out and has no"
                " options of decoding; give a checkpoint of a masked_transformer"
            )

    @property
    def takes_face(self) -> bool:
        """Whether the captured face is an input; it is then handed on, and not a prediction."""
        return getattr(self.bundle.config.model, "face_input", False)

    @property
    def draws(self) -> bool:
        """Whether the result depends on a seed and on options of decoding."""
        return self.completer is not None

    @property
    def seed_frames(self) -> int:
        """How many first frames a test gives the model if it is asked to; 0: it takes none."""
        return getattr(self.bundle.config.model, "seed_frames", DEFAULT_SEED_FRAMES)

    @property
    def always_seeded(self) -> bool:
        """Whether training never left the seed frames out, so that a motion without them is nothing it knows."""
        model = self.bundle.config.model
        return self.completer is None and bool(model.seed_frames) and not model.seed_dropout

    @property
    def makes_face(self) -> bool:
        """Whether the face is predicted."""
        if self.completer is not None:
            return self.completer.makes_face
        return self.bundle.config.model.predict_face

    def _known_speaker(self, speaker: str | None) -> str:
        if speaker is not None:
            return str(speaker)
        first = self.bundle.speakers.labels[0]
        if len(self.bundle.speakers) > 1:
            logger.info("no speaker given: using %s, the first of %s", first, ", ".join(self.bundle.speakers.labels))
        return first

    def _fit_samples(self, samples: np.ndarray, num_frames: int) -> np.ndarray:
        """Exactly the samples of `num_frames` frames: half a frame at most is cut off or is silence."""
        wanted = frame_to_sample(num_frames, self.fps, self.sample_rate)
        return np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))

    def _emotions(self, emotion: int | ArrayLike, num_frames: int) -> np.ndarray:
        values = as_labels("emotion", emotion)
        highest = self.bundle.config.model.num_emotions - 1
        if values.shape not in ((), (num_frames,)):
            raise InputError(
                f"emotion: got shape {values.shape}; expected one label, or one for each of the {num_frames} frames"
            )
        if values.size and not (0 <= values.min() and values.max() <= highest):
            raise InputError(
                f"emotion: got labels from {values.min()} to {values.max()}; the model knows 0 to {highest}"
            )
        return np.broadcast_to(values, (num_frames,)).copy()

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

    def _seed(self, seed_motion: ArrayLike | None, num_frames: int) -> Tensor | None:
        if seed_motion is None:
            return None
        seed_frames = self.bundle.config.model.seed_frames
        if not seed_frames:
            raise InputError("seed frames: this model takes none (model.seed_frames=0); leave them out")
        rows = self._rows("seed frames", seed_motion, self.layout.name, seed_frames)
        warn_of_long_seed(seed_frames, num_frames)
        return self._batch(rows[:num_frames])

    def _rows(self, what: str, rows: ArrayLike, layout: str, num_frames: int) -> Tensor:
        """Checked and z-scored rows, (num_frames, columns of the layout)."""
        values = as_numbers(what, rows)
        wanted = (num_frames, get_layout(layout).dim)
        if tuple(values.shape) != wanted:
            raise InputError(f"{what}: got shape {tuple(values.shape)}; expected {wanted} ({layout})")
        check_rows(what, values, MAX_WEIGHT if layout == FACE_LAYOUT else MAX_CHANNEL)
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


def load_pretrained(folder: str | Path | None = None, device: str | torch.device = "cpu") -> Generator:
    """Loads a trained generator; nothing but its folder is needed.

    Args:
        folder: of a checkpoint, or the name of a model inside the package (emage.pretrained); None: its default model.
        device: where the network runs.

    Raises:
        InputError: no checkpoint there, one of a model that does not generate, or a device that cannot be used.
    """
    if folder is None:
        folder = pretrained_folder(DEFAULT_NAME)
    elif str(folder) in pretrained_names() and not Path(folder).is_dir():  # a folder of one's own goes first
        folder = pretrained_folder(str(folder))
    return Generator(load_bundle(checkpoint_in(folder)), device)
