"""Sources, each at its own rate -> a Clip, everything at one frame rate by time.

The shortest of sound, motion and face decides how long a clip is. Frame k is at time k / fps in every stream. A body is
BVH or SMPL-X poses, or there is none; a face is ARKit weights or FLAME codes.

Shapes: N frames of a source, T frames of the clip, S samples, J joints, D columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dataloaders.labels import Interval, labels_per_frame
from emage.audio import frame_to_sample, resample_audio
from emage.errors import InputError
from emage.motion import rotation
from emage.motion.arkit_motion import ArkitMotion, evenly_spaced
from emage.motion.bvh import BvhMotion
from emage.motion.layout import EULER_ORDER
from emage.motion.resample import (
    frame_count,
    resample_axis_angle,
    resample_euler,
    resample_face,
    resample_linear,
)
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, canonical_name, smplx_skeleton
from emage.text import Word, word_indices

UNEQUAL_S = 0.1  # streams whose lengths differ by more are worth a notice
MOVING_OFFSET_CM = 0.01  # a joint whose position channels vary by more does not keep its bone length
_NAMED_JOINTS = 8  # missing joints that an error lists


BEAT_LAYOUT, SMPLX_LAYOUT, ARKIT_LAYOUT = "beat_full", "smplx_full", "arkit_51"


@dataclass(eq=False)
class FaceCodes:
    """FLAME codes (N, D) of a face in the layout that its corpus has, evenly spaced."""

    values: Tensor
    layout: str
    fps: float


@dataclass(eq=False)
class SmplxPoses:
    """A body as SMPL-X has it: axis-angle in radians (N, 55, 3) and the place of the root in cm (N, 3)."""

    axis_angle: Tensor
    translation_cm: Tensor
    fps: float


@dataclass
class Sources:
    """What the files of one recording hold, each stream at its own rate, all starting at time 0.

    Attributes:
        bvh: the body; `motion_fps` is its true rate, which its header may not say. None: there is no body, or it is
            given as `poses`.
        face: weights (N, 51) with their rate, or codes.
        waveform: (S,) float32 at `sample_rate`.
        emotion: intervals whose value is the number of the emotion.
        semantic: intervals whose value is the semantic score.
        shape_code: (C,) identity of the person in the face model, where the corpus tells it.
        notices: what was found odd and how it was taken.
    """

    recording_id: str
    speaker: str
    bvh: BvhMotion | None
    motion_fps: float
    face: ArkitMotion | FaceCodes
    waveform: np.ndarray
    sample_rate: int
    words: list[Word] = field(default_factory=list)
    phones: list[Word] = field(default_factory=list)
    emotion: list[Interval] = field(default_factory=list)
    semantic: list[Interval] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    poses: SmplxPoses | None = None
    shape_code: np.ndarray | None = None


@dataclass
class Clip:
    """One recording with all streams at one frame rate.

    Attributes:
        motion: (T, D) float32 in `motion_layout`; beat_full: root translation in cm, Euler degrees XYZ, continuous in
            time. None: the recording has no body.
        face: (T, C) float32 in `face_layout`.
        waveform: (frame_to_sample(T),) float32.
        words: with times; `word_index` (T,) int32 points into them, -1 in silence.
        emotion: (T,) int8.
        semantic: (T,) float32, 0..1.
        skeleton: of a body, the file's offsets, joints in BEAT's order (or SMPL-X's own).
    """

    recording_id: str
    speaker: str
    fps: float
    num_frames: int
    motion: np.ndarray | None
    face: np.ndarray
    waveform: np.ndarray
    words: list[Word]
    phones: list[Word]
    word_index: np.ndarray
    emotion: np.ndarray
    semantic: np.ndarray
    skeleton: Skeleton | None
    notices: list[str]
    motion_layout: str | None = BEAT_LAYOUT
    face_layout: str = ARKIT_LAYOUT
    shape_code: np.ndarray | None = None


def make_clip(sources: Sources, fps: float, sample_rate: int) -> Clip:
    """Brings all streams of a recording to one frame rate.

    Args:
        sources: the streams.
        fps: frames per second of the clip.
        sample_rate: samples per second of its waveform.

    Returns:
        A clip of round(shortest duration * fps) frames. Where that rounds up, the last frame lies up to half a frame
        beyond the shortest stream, which is then held (the waveform: silent).

    Raises:
        InputError: a joint of BEAT is missing, or no whole frame is left.
    """
    notices = list(sources.notices)
    codes = sources.face
    face, face_fps = (codes.values, codes.fps) if isinstance(codes, FaceCodes) else evenly_spaced(codes)
    durations_s = {"audio": len(sources.waveform) / sources.sample_rate}
    if sources.bvh is not None:
        durations_s["motion"] = sources.bvh.num_frames / sources.motion_fps
    if sources.poses is not None:
        durations_s["motion"] = len(sources.poses.axis_angle) / sources.poses.fps
    durations_s["face"] = len(face) / face_fps
    duration_s = min(durations_s.values())
    num_frames = frame_count(duration_s, fps)
    lengths = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in durations_s.items())
    if num_frames < 1:
        raise InputError(
            f"{sources.recording_id}: no frame at {fps:g} fps is left of {lengths}; leave the recording out"
        )
    if max(durations_s.values()) - duration_s > UNEQUAL_S:
        notices.append(f"unequal lengths, the shortest counts: {lengths}")

    motion, motion_layout, skeleton, body_notices = _body(sources, fps, num_frames)
    duration_s = num_frames / fps
    words, phones = _until(sources.words, duration_s), _until(sources.phones, duration_s)
    emotion = labels_per_frame(sources.emotion, num_frames, fps, default=0, hold=True)
    waveform = resample_audio(sources.waveform, sources.sample_rate, sample_rate)
    return Clip(
        recording_id=sources.recording_id,
        speaker=sources.speaker,
        fps=fps,
        num_frames=num_frames,
        motion=motion,
        face=_face(sources.face, face, face_fps, fps=fps, num_frames=num_frames),
        waveform=_exact_length(waveform, frame_to_sample(num_frames, fps, sample_rate)),
        words=words,
        phones=phones,
        word_index=word_indices(words, num_frames, fps),
        emotion=emotion.astype(np.int8),
        semantic=labels_per_frame(sources.semantic, num_frames, fps, default=0).astype(np.float32),
        skeleton=skeleton,
        notices=notices + body_notices,
        motion_layout=motion_layout,
        face_layout=sources.face.layout if isinstance(sources.face, FaceCodes) else ARKIT_LAYOUT,
        shape_code=sources.shape_code,
    )


def _body(
    sources: Sources, fps: float, num_frames: int
) -> tuple[np.ndarray | None, str | None, Skeleton | None, list[str]]:
    """Motion (T, D), its layout, its skeleton and notices; nothing for a recording of a face alone."""
    if sources.bvh is not None:
        skeleton, joints, notices = beat_skeleton(sources.bvh, f"{sources.recording_id}.bvh")
        motion = _beat_full_motion(sources.bvh, joints, sources.motion_fps, fps=fps, num_frames=num_frames)
        return motion.numpy(), BEAT_LAYOUT, skeleton, notices
    if sources.poses is not None:
        poses = sources.poses
        turned = resample_axis_angle(poses.axis_angle, poses.fps, fps, num_frames)  # (T, J, 3)
        translation_cm = resample_linear(poses.translation_cm, poses.fps, fps, num_frames)
        motion = torch.cat([translation_cm, turned.flatten(1)], dim=1).float()
        return motion.numpy(), SMPLX_LAYOUT, smplx_skeleton(), []
    return None, None, None, []


def _face(
    source: ArkitMotion | FaceCodes, values: Tensor, source_fps: float, *, fps: float, num_frames: int
) -> np.ndarray:
    """(T, C) float32."""
    if isinstance(source, FaceCodes):
        codes = resample_face(values, source.layout, source_fps, target_fps=fps, num_frames=num_frames)
        return codes.float().numpy()
    weights = resample_linear(values, source_fps, fps, num_frames)
    # The low-pass may swing a little over a quick blink; a weight stays what the channel has shown.
    return weights.clamp(values.amin(dim=0), values.amax(dim=0)).numpy()


def beat_skeleton(bvh: BvhMotion, file: str) -> tuple[Skeleton, list[int], list[str]]:
    """Finds BEAT's 75 joints in a file, by name or alias, in whatever order it has them.

    Args:
        bvh: the file.
        file: what errors call it.

    Returns:
        The skeleton with the joints in BEAT's order (the file's spelling and bone lengths), the file's index of each
        joint, and notices.

    Raises:
        InputError: joints are missing or occur twice, or BEAT's joints are not one tree in the file.
    """
    own = {canonical_name(name) for name in bvh.names}
    missing = [name for name in BEAT_JOINTS if name not in own]
    if missing:
        named = ", ".join(missing[:_NAMED_JOINTS]) + (", ..." if len(missing) > _NAMED_JOINTS else "")
        raise InputError(f"{file}: it lacks {len(missing)} of BEAT's {len(BEAT_JOINTS)} joints: {named}")
    joints = bvh.skeleton.indices(BEAT_JOINTS)
    place = {joint: i for i, joint in enumerate(joints)}
    parents = []
    for i, joint in enumerate(joints):
        parent = bvh.parents[joint]
        if parent >= 0 and parent not in place:
            raise InputError(
                f"{file}: joint {bvh.names[joint]} hangs off {bvh.names[parent]}, which BEAT does not have"
            )
        if (parent < 0) != (i == 0) or place.get(parent, -1) >= i:
            above = bvh.names[parent] if parent >= 0 else "nothing"
            raise InputError(f"{file}: joint {bvh.names[joint]} hangs off {above}, out of BEAT's order")
        parents.append(place.get(parent, -1))
    notices = []
    others = [name for joint, name in enumerate(bvh.names) if joint not in place]
    if others:
        notices.append(
            f"{len(others)} joints that BEAT does not have are left out: {', '.join(others[:_NAMED_JOINTS])}"
        )
    orders = sorted({bvh.order(joint) or "none" for joint in joints} - {EULER_ORDER})
    if orders:
        notices.append(f"Euler order {', '.join(orders)} converted to {EULER_ORDER}")
    offsets_cm, offset_notices = _bone_lengths(bvh, joints)
    skeleton = Skeleton(tuple(bvh.names[joint] for joint in joints), tuple(parents), offsets_cm)
    return skeleton, joints, notices + offset_notices


def _bone_lengths(bvh: BvhMotion, joints: Sequence[int]) -> tuple[Tensor, list[str]]:
    """(J, 3) offsets; a joint below the root with position channels has the lengths of the first frame."""
    placed = [i for i, joint in enumerate(joints) if i > 0 and any("position" in name for name in bvh.channels[joint])]
    offsets_cm = bvh.offsets_cm[list(joints)].clone()
    if not placed:
        return offsets_cm, []
    translations = bvh.translations_cm()[:, [joints[i] for i in placed]]  # (N, placed, 3)
    offsets_cm[placed] = translations[0].to(offsets_cm.dtype)
    varies = (translations - translations[:1]).abs().amax(dim=(0, 2)) > MOVING_OFFSET_CM
    moving = [bvh.names[joints[i]] for i, moves in zip(placed, varies.tolist(), strict=True) if moves]
    if not moving:
        return offsets_cm, []
    return offsets_cm, [f"position channels of {len(moving)} joints vary ({moving[0]} ...); the first frame's are kept"]


def _beat_full_motion(
    bvh: BvhMotion, joints: Sequence[int], source_fps: float, *, fps: float, num_frames: int
) -> Tensor:
    """The motion in layout beat_full, (T, D) float32."""
    if all(bvh.order(joint) == EULER_ORDER for joint in range(len(bvh.names))):
        euler_deg = bvh.euler_deg()[:, joints]  # (N, J, 3)
    else:
        euler_deg = rotation.matrix_to_euler(bvh.rotations()[:, joints], EULER_ORDER)
    # The decoder of a network must not meet a jump of 360 degrees, nor another branch than the source's own.
    euler_deg = resample_euler(euler_deg, EULER_ORDER, source_fps, target_fps=fps, num_frames=num_frames)
    translation_cm = resample_linear(bvh.translations_cm()[:, joints[0]], source_fps, fps, num_frames)
    return torch.cat([translation_cm, euler_deg.flatten(1)], dim=1).float()


def _until(words: Sequence[Word], duration_s: float) -> list[Word]:
    """The words that begin before the clip ends."""
    return [Word(text, start_s, min(end_s, duration_s)) for text, start_s, end_s in words if start_s < duration_s]


def _exact_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    return np.pad(waveform[:num_samples], (0, max(0, num_samples - len(waveform))))
