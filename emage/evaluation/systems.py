"""The metric objects of one system (or control), and which metrics the recordings at hand allow.

Shapes: T frames, J joints.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emage.errors import InputError
from emage.evaluation.fgd_network import FGDNetwork
from emage.evaluation.store import Sound
from emage.evaluation.take import STRIDE_FRAMES, WINDOW_FRAMES, Take
from emage.metrics import (
    CCA,
    FGD,
    SRGR,
    ArkitFace,
    BeatAlign,
    Feet,
    Kinematics,
    L1Diversity,
    PairwiseDiversity,
    Seams,
)
from emage.metrics.beat_align import POSITION_JOINTS
from emage.metrics.beat_published import BEAT_JOINT, emage2024_joints
from emage.metrics.fgd import GaussianSummary
from emage.metrics.fgd_windows import PrincipalWindows
from emage.motion.contact import CONTACT_JOINTS
from emage.motion.layout import LAYOUTS

BEAT_VARIANTS = {"beat_align": "corrected", "beat_align_emage2024": "emage2024", "beat_align_beat2022": "beat2022"}
EMAGE_MASK_S = 2.0  # cut off at both ends: 60 frames at 30 fps, as published
BEAT_141 = LAYOUTS["beat_141"]
# FGD -> the array of a take that its windows are cut from.
WINDOW_ARRAYS = {"fgd_network": "network", "fgd_rot6d": "window_rot6d", "fgd_raw": "window_cm"}


@dataclass
class Plan:
    """Which metrics are taken of every system, and why others are not.

    Attributes:
        fps: frame rate of the evaluation.
        sample_rate: of the audio.
        seed: of the chance levels.
        joints: BEAT's names of the scored joints.
        parents: place of the joint above each of them among `joints`, -1 where there is none.
        network: what FGD measures with, or None.
        spaces: principal components of the reference's windows: fgd_rot6d, fgd_raw.
        mean_speed: (J,) of the real joints, units per second; for emage2024.
        up_axis: which coordinate is the height.
        reasons: metric -> why it is not taken.
    """

    fps: float
    sample_rate: int
    seed: int
    joints: tuple[str, ...]
    parents: tuple[int, ...] = ()
    network: FGDNetwork | None = None
    spaces: dict[str, PrincipalWindows] = field(default_factory=dict)
    mean_speed: np.ndarray | None = None
    up_axis: int = 1
    reasons: dict[str, str] = field(default_factory=dict)

    def beat_metrics(self) -> dict[str, BeatAlign]:
        """An empty beat alignment of each variant, as far as the joints allow."""
        reasons = self.beat_reasons()
        return {
            name: BeatAlign(
                variant,
                self.fps,
                self.sample_rate,
                seed=self.seed,
                mean_speed=self.mean_speed,
                mask_frames=round(EMAGE_MASK_S * self.fps),
            )
            for name, variant in BEAT_VARIANTS.items()
            if name not in reasons
        }

    def beat_reasons(self) -> dict[str, str]:
        """Variants whose joints are missing."""
        reasons: dict[str, str] = {}
        missing = [joint for joint in POSITION_JOINTS if joint not in self.joints]
        if missing:
            reasons["beat_align"] = f"the files have no joint {', '.join(missing)}"
        try:
            emage2024_joints(self.joints, len(self.joints))
        except InputError as error:
            reasons["beat_align_emage2024"] = str(error).removeprefix("beat alignment: ").partition(";")[0]
        if BEAT_JOINT not in self.joints:
            reasons["beat_align_beat2022"] = f"it reads {BEAT_JOINT}, which the files do not have"
        return reasons

    def check_joints(self) -> None:
        """Notes the metrics whose joints are missing."""
        self.reasons |= self.beat_reasons()
        if not set(CONTACT_JOINTS) & set(self.joints):
            self.reasons["feet"] = "the files have no ankle or toe"
        missing = [joint for joint in BEAT_141.joints if joint not in self.joints]
        if len(missing) == len(BEAT_141.joints):
            self.reasons |= dict.fromkeys(("srgr", "srgr_beat2022"), "the files have no joint of beat_141")
        if missing:
            more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
            self.reasons["l1_diversity_beat2022"] = f"the files lack {', '.join(missing[:2])}{more} of beat_141"

    def distances(self) -> dict[str, FGD]:
        """An empty FGD on each space of features."""
        made = {name: FGD(space, WINDOW_FRAMES, STRIDE_FRAMES) for name, space in self.spaces.items()}
        return made if self.network is None else {**made, "fgd_network": self.network.metric()}

    def real_windows(self, reference: Take) -> dict[str, GaussianSummary | None]:
        """The features of a real take, found once for all systems."""
        found = {}
        for name, distance in self.distances().items():
            array = getattr(reference, WINDOW_ARRAYS[name])
            found[name] = None if array is None else distance.summary(array)
        return found

    def metrics(self) -> dict[str, Any]:
        """An empty object of each metric that is taken."""
        made: dict[str, Any] = {**self.distances(), **self.beat_metrics()}
        made |= {
            "srgr": SRGR(),
            "srgr_beat2022": SRGR("beat2022"),
            "l1_diversity": L1Diversity(),
            "l1_diversity_beat2022": L1Diversity("beat2022"),
            "pairwise_diversity": PairwiseDiversity(WINDOW_FRAMES),
            "kinematics": Kinematics(self.fps),
            "cca": CCA(),
            "feet": Feet(self.fps, up_axis=self.up_axis),
            "seams": Seams(self.fps),
            "face": ArkitFace(self.fps),
        }
        return {name: metric for name, metric in made.items() if name not in self.reasons}


class SystemScores:
    """All metrics of one system, or of one control, or of one seed of a system."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.metrics = plan.metrics()
        self._columns = [plan.joints.index(joint) for joint in BEAT_141.joints if joint in plan.joints]

    def update(
        self,
        recording_id: str,
        generated: Take,
        reference: Take,
        sound: Sound,
        *,
        followed: Take | None = None,
        border_frames: tuple[int, ...] | None = None,
        real_windows: dict[str, GaussianSummary | None] | None = None,
    ) -> None:
        """Adds a recording; a metric whose input it lacks is passed over.

        Args:
            recording_id: its name.
            generated: what is judged.
            reference: what the person did.
            sound: what is heard.
            followed: what the generated motion is compared with frame by frame, if not `reference`.
            border_frames: where generated windows begin.
            real_windows: what `Plan.real_windows` made of `reference`.
        """
        followed = (reference if followed is None else followed).cut_to(generated)
        if generated.has_body and reference.has_body:
            generated_body = generated.cut_to(reference)
            self._update_windows(recording_id, generated_body, reference, real_windows or {})
            self._update_body(recording_id, generated_body, reference.cut_to(generated), followed)
            self._update_heard(recording_id, generated_body, sound, followed)
            if border_frames:
                inside = [frame for frame in border_frames if 0 < frame < len(generated_body.positions_cm)]
                self._to("seams", recording_id, generated_body.positions_cm, border_frames=inside)
        if generated.has_face and reference.has_face:
            made = generated.cut_to(followed)
            valid = _both_valid(made, followed)
            self._to("face", recording_id, made.face, followed.face, valid=valid, phones=sound.phones)

    def _update_windows(
        self, key: str, generated: Take, reference: Take, known: dict[str, GaussianSummary | None]
    ) -> None:
        for name, array in WINDOW_ARRAYS.items():
            made, real = getattr(generated, array), getattr(reference, array)
            if made is None or real is None:
                continue
            # The real windows are the same for every system, unless it is shorter.
            whole = len(made) >= len(real) and known.get(name) is not None
            self._to(name, key, made, known[name] if whole else real[: len(made)])
        self._to("pairwise_diversity", key, generated.window_cm)

    def _update_body(self, key: str, generated: Take, reference: Take, followed: Take) -> None:
        positions, names = generated.positions_cm, self.plan.joints
        self._to("kinematics", key, positions, reference.positions_cm)
        self._to("l1_diversity", key, generated.local_cm)
        self._to("l1_diversity_beat2022", key, self._beat_141(generated))
        self._to("cca", key, generated.cut_to(followed).local_cm, followed.local_cm)
        self._to("feet", key, positions, joint_names=names, reference_cm=reference.positions_cm)

    def _update_heard(self, key: str, generated: Take, sound: Sound, followed: Take) -> None:
        for name, onsets_s in sound.onsets_s.items():
            metric = self.metrics.get(name)
            if metric is None:
                continue
            if metric.variant == "beat2022":
                motion = np.zeros((len(generated.euler_deg), BEAT_141.dim), np.float32)
                place = self.plan.joints.index(BEAT_JOINT)
                motion[:, BEAT_141.joint_slice(BEAT_JOINT)] = generated.euler_deg[:, place]  # all that it reads
                metric.update(motion, None, layout=BEAT_141, onsets_s=onsets_s, recording_id=key)
            else:
                joints, positions = self.plan.joints, generated.positions_cm
                metric.update_positions(positions, None, joint_names=joints, onsets_s=onsets_s, recording_id=key)
        if sound.semantic is not None:
            num_frames = min(len(generated.euler_deg), len(followed.euler_deg), len(sound.semantic))
            sides = [self._beat_141(side)[:num_frames] for side in (generated, followed)]
            for name in ("srgr", "srgr_beat2022"):
                self._to(name, key, *sides, semantic=sound.semantic[:num_frames])

    def _beat_141(self, take: Take) -> np.ndarray:
        return take.euler_deg[:, self._columns].reshape(len(take.euler_deg), -1)

    def _to(self, name: str, key: str, *arguments: Any, **options: Any) -> None:
        if name in self.metrics:
            self.metrics[name].update(*arguments, recording_id=key, **options)


def _both_valid(made: Take, followed: Take) -> np.ndarray | None:
    """(T, 51) bool, the weights that the files of both hold; None: all."""
    known = [take.face_valid for take in (made, followed) if take.face_valid is not None]
    valid = np.logical_and.reduce(known) if known else np.ones(1, bool)
    return None if valid.all() else valid


def missing_inputs(recordings: dict[str, tuple[bool, bool]], sounds: list[Sound], borders: bool) -> dict[str, str]:
    """Metrics that no recording has the input for, with the reason."""
    reasons: dict[str, str] = {}
    if not any(body for body, _ in recordings.values()):
        body = "no recording has a BVH file on every side"
        names = ("fgd_network", "fgd_rot6d", "fgd_raw", "l1_diversity", "l1_diversity_beat2022", "pairwise_diversity")
        reasons |= dict.fromkeys((*names, "kinematics", "cca", "feet", "seams", *BEAT_VARIANTS), body)
        reasons |= dict.fromkeys(("srgr", "srgr_beat2022"), body)
    if not any(face for _, face in recordings.values()):
        reasons["face"] = "no recording has a face (ARKit json or csv) on every side"
    if not any(sound.onsets_s for sound in sounds):
        for name in BEAT_VARIANTS:
            reasons.setdefault(name, "no audio")
    if all(sound.semantic is None for sound in sounds):
        for name in ("srgr", "srgr_beat2022"):
            reasons.setdefault(name, "nobody labelled what the gestures mean (<id>.txt beside the reference)")
    if not borders:
        reasons.setdefault("seams", "it is not known where generated windows begin (--window-frames)")
    return reasons
