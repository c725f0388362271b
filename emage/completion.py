"""A masked transformer's motion and face: what is given comes back as it is, everything else is completed around it.

Shapes: T frames, S samples, J joints, D columns of the model's layout, P values of a part.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from emage.array_inputs import as_mask, as_numbers, check_rows
from emage.config import Config, GenerationConfig
from emage.decoding import CodeDecoder, Request
from emage.errors import InputError, warn_input
from emage.models.masked_transformer import MaskedGestureTransformer
from emage.motion.arkit_motion import MAX_WEIGHT
from emage.motion.convert import convert
from emage.motion.layout import ARKIT_51, MAX_CHANNEL, ROOT, Layout, get_layout, part_joints
from emage.motion.skeleton import BEAT_JOINTS, Skeleton
from emage.motion.splice import column_mask, splice_channels, splice_motion

NUM_CHANNELS = len(ARKIT_51)
GIVEN_PARTS = ("upper", "hands", "lower", "all")  # what `Given.stretch` takes beside joints


@dataclass(frozen=True, eq=False)
class Given:
    """Motion and face that are fixed beforehand.

    Attributes:
        motion: (T, D) in the model's layout; read where `joints` is true. None: no joint is given.
        joints: (T, J + 1) bool, a column for each joint of the layout and a last one for the root translation.
        face: (T, 51) ARKit weights; read where `channels` is true. None: no channel is given.
        channels: (T, 51) bool.

    Each is a torch tensor, a numpy array or nested lists; numbers of any real type, masks also as 0 and 1.
    """

    motion: Any = None
    joints: Any = None
    face: Any = None
    channels: Any = None

    @classmethod
    def stretch(
        cls,
        motion: ArrayLike,
        layout: str,
        *,
        names: str | Iterable[str] = ("all",),
        start_frame: int = 0,
        stop_frame: int | None = None,
        num_frames: int | None = None,
    ) -> "Given":
        """Some joints for some frames.

        Args:
            motion: (n, D); its first frame is frame 0 of the result.
            layout: of `motion`.
            names: joints in either of BEAT's spellings, or parts of the body (upper, hands, lower, all).
            start_frame: the first frame that is given.
            stop_frame: the frame behind the last; None: the end of `motion`.
            num_frames: T of the result; None: that of `motion`.

        Raises:
            InputError: a motion of another shape, a name that is neither a joint of the layout nor a part, or frames
                beyond the motion.
        """
        columns = get_layout(layout)
        motion = as_numbers("given motion", motion)
        if motion.ndim != 2 or motion.shape[1] != columns.dim:
            raise InputError(
                f"given motion: got shape {tuple(motion.shape)}; expected (frames, {columns.dim}) ({layout})"
            )
        names = (names,) if isinstance(names, str) else names
        stop_frame = len(motion) if stop_frame is None else stop_frame
        num_frames = len(motion) if num_frames is None else num_frames
        if not 0 <= start_frame < stop_frame <= min(len(motion), num_frames):
            raise InputError(
                f"given motion: frames {start_frame} to {stop_frame} of {len(motion)} for a result of {num_frames};"
                " give frames that both have"
            )
        joints = torch.zeros(num_frames, columns.num_joints + 1, dtype=torch.bool)
        for name in names:
            joints[start_frame:stop_frame, joint_places(name, columns)] = True
        whole = torch.zeros(num_frames, columns.dim, dtype=torch.float32)
        whole[start_frame:stop_frame] = motion[start_frame:stop_frame]
        return cls(whole, joints)

    def checked(self, layout: Layout, num_frames: int) -> "Given":
        """The same as tensors on the CPU, float32 and bool, each of the shape that the model needs.

        Raises:
            InputError: what is no array of numbers or of booleans, an array of another shape, values without the mask
                that says which count, or values that count and are not finite or too great.
        """
        wanted = {
            "motion": (num_frames, layout.dim),
            "joints": (num_frames, layout.num_joints + 1),
            "face": (num_frames, NUM_CHANNELS),
            "channels": (num_frames, NUM_CHANNELS),
        }
        arrays: dict[str, Tensor | None] = {}
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is not None:
                value = (as_mask if name in ("joints", "channels") else as_numbers)(f"given {name}", value)
                if tuple(value.shape) != shape:
                    raise InputError(f"given {name}: got shape {tuple(value.shape)}; expected {shape} ({layout.name})")
            arrays[name] = value
        for values, mask in (("motion", "joints"), ("face", "channels")):
            if (arrays[values] is None) != (arrays[mask] is None):
                raise InputError(
                    f"given {values}: it needs `{mask}`, which says what of it counts, and the other way round"
                )
        given = Given(**arrays)
        if given.motion is not None:
            check_rows("given motion", given.motion, MAX_CHANNEL, given._columns(layout))
        if given.face is not None:
            check_rows("given face", given.face, MAX_WEIGHT, given.channels)
        return given

    def _columns(self, layout: Layout) -> Tensor | None:
        return None if self.joints is None else column_mask(self.joints, layout)


def joint_places(name: str, layout: Layout) -> list[int]:
    """Where a joint, or the joints of a part, stand in the columns of `Given.joints`.

    Raises:
        InputError: neither a joint of the layout nor a part of the body.
    """
    if name in GIVEN_PARTS:
        held = set(part_joints(name))
        places = [place for place, joint in enumerate(layout.joints) if joint in held]
        return [*places, layout.num_joints] if ROOT in held and layout.has_translation else places
    column = layout.joint_slice(name).start - layout.rotation_slice.start
    return [column // layout.values_per_joint]


class Completer:
    """Runs a masked transformer.

    Args:
        model: in evaluation mode.
        config: of its training.
        mean_pose: (D',) in beat_full, for joints that no tokenizer holds.

    Raises:
        InputError: a pretrained audio encoder of another sample rate than the data.
    """

    def __init__(self, model: MaskedGestureTransformer, config: Config, mean_pose: Tensor) -> None:
        model.speech.check_sample_rate(config.data.sample_rate)
        self.model, self.config, self.mean_pose = model, config, mean_pose
        self.layout = model.tokenizer.layout
        held = {name for part in model.parts if part != "face" for name in part_joints(part)}
        self.made = torch.tensor([name in held for name in self.layout.joints] + [ROOT in held])

    @property
    def makes_face(self) -> bool:
        """Whether the face is one of the parts, or a face trunk's."""
        return "face" in self.model.parts or self.model.face_path is not None

    @torch.no_grad()
    def complete(
        self,
        waveform: Tensor,
        words: Tensor,
        emotion: Tensor,
        *,
        speaker: int,
        there: Mapping[str, bool],
        given: Given,
        skeleton: Skeleton,
        seed: int | Sequence[int],
        options: GenerationConfig,
    ) -> tuple[Tensor, Tensor | None]:
        """Motion (T, D) and face (T, 51) of a stretch of speech, on the CPU.

        Args:
            waveform: (S,) at the model's own rate.
            words: (T,) int64 ids.
            emotion: (T,) int64.
            speaker: index.
            there: whether audio, words, speaker and emotion are given.
            given: motion and face that are fixed.
            skeleton: of the speaker, for the foot contact of given motion.
            seed: of the draws.
            options: how to decode.
        """
        num_frames, device = len(words), words.device
        hints, hint_given = self._hints(given, skeleton, num_frames)
        data = self.config.data
        request = Request(
            waveform,
            words,
            emotion,
            speaker,
            there,
            {part: value.to(device) for part, value in hints.items()},
            {part: value.to(device) for part, value in hint_given.items()},
        )
        decoder = CodeDecoder(
            self.model, options, window_frames=data.window_frames, fps=data.fps, sample_rate=data.sample_rate
        )
        decoded = self.model.tokenizer.decode_latents(decoder.decode(request, seed), num_frames)
        motion = decoded.motion[0].float().cpu()
        still = convert(self.mean_pose, "beat_full", self.layout).expand_as(motion)
        motion = torch.where(column_mask(self.made.expand(num_frames, -1), self.layout), motion, still)
        if given.motion is not None:
            motion = splice_motion(motion, given.motion.float(), given.joints, layout=self.layout, fps=data.fps)
        face = None if decoded.face is None else decoded.face[0].float().cpu()
        if self.model.face_path is not None:
            heard = waveform if there["audio"] else torch.zeros_like(waveform)
            face = self._trunk_face(heard, words, speaker)
        if face is not None and given.face is not None:
            face = splice_channels(face, given.face.float(), given.channels, fps=data.fps)
            face = torch.where(given.channels, face, face.clamp(0, 1))
        return motion, face

    def _trunk_face(self, waveform: Tensor, words: Tensor, speaker: int) -> Tensor:
        """What the face trunk makes of the whole recording at once, (T, 51)."""
        data = self.config.data
        speech = {
            "waveform": waveform[None],
            "words": words[None],
            "speaker": torch.tensor([speaker], device=words.device),
        }
        values = self.model.face(speech, fps=data.fps, sample_rate=data.sample_rate)
        return self.model.face_path.denormalise(values)[0].float().cpu().clamp(0, 1)

    def _hints(self, given: Given, skeleton: Skeleton, num_frames: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Values and masks of what is given, (T, P) by part."""
        tokenizer = self.model.tokenizer
        motion = given.motion
        joints = given.joints
        if motion is None or joints is None:
            motion = torch.zeros(num_frames, self.layout.dim)
            joints = torch.zeros(num_frames, self.layout.num_joints + 1, dtype=torch.bool)
        columns = column_mask(joints, self.layout)
        still = convert(self.mean_pose, "beat_full", self.layout)
        motion = torch.where(columns, motion.float(), still)  # what is not given must be a pose for the feet's sake
        bones_cm = skeleton.offsets_cm[skeleton.indices(BEAT_JOINTS)].float()
        face = torch.zeros(num_frames, NUM_CHANNELS) if given.face is None else given.face.float()
        device = next(self.model.parameters()).device
        values = tokenizer.part_values(motion[None].to(device), face[None].to(device), bones_cm[None].to(device))
        masks: dict[str, Tensor] = {}
        for part in self.model.parts:
            if part == "face":
                none = torch.zeros(num_frames, NUM_CHANNELS, dtype=torch.bool)
                masks[part] = none if given.channels is None else given.channels
                continue
            own = columns[:, self.layout.part_columns(part)]  # (T, P without contact)
            missing = tokenizer.vqvaes[part].num_values - own.shape[1]
            masks[part] = torch.cat([own, own.all(dim=1, keepdim=True).expand(-1, missing)], dim=1)
        return {part: value[0] for part, value in values.items()}, masks


def as_seed(seed_motion: ArrayLike, layout: str, num_frames: int) -> Given:
    """The first frames of the motion, all joints, as `Given`.

    Frames beyond the speech are cut off with an InputWarning.

    Raises:
        InputError: what is no array of numbers, one of another shape, or values that are not finite or too great.
    """
    motion = as_numbers("seed frames", seed_motion)
    if motion.ndim != 2 or motion.shape[1] != get_layout(layout).dim:
        raise InputError(
            f"seed frames: got shape {tuple(motion.shape)}; expected (frames, {get_layout(layout).dim}) ({layout})"
        )
    check_rows("seed frames", motion, MAX_CHANNEL)
    warn_of_long_seed(len(motion), num_frames)
    return Given.stretch(motion[:num_frames], layout, num_frames=num_frames)


def warn_of_long_seed(seed_frames: int, num_frames: int) -> None:
    """Issues an InputWarning if a seed is longer than the speech, whose frames are all that is made."""
    if seed_frames > num_frames:
        warn_input(
            f"seed frames: got {seed_frames} for speech of {num_frames} frames; the last {seed_frames - num_frames} are"
            " cut off"
        )
