"""The BVH files of all sides: which joints they share, at which rates and in which unit they are, and what is odd about them.

Shapes: J joints.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from emage.errors import InputError, collected_warnings
from emage.evaluation.fgd_network import FGDNetwork
from emage.evaluation.folders import Seed
from emage.evaluation.rejects import check_body, check_fps, reason_of
from emage.evaluation.store import REFERENCE
from emage.evaluation.take import scored_parents
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.bvh_reader import parse_header, read_lines
from emage.motion.frame_time import FPS_TOLERANCE, nominal_fps
from emage.motion.joint_aliases import beat_names
from emage.motion.layout import ROOT
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, file_scale

MIN_JOINTS = 3
UP_AXIS, HEADS = 1, ("Head", "Neck", "Spine3", "Spine2", "Spine1", "Spine")
LENGTH_TOLERANCE, ANGLE_TOLERANCE_DEG = 0.05, 20.0


@dataclass(frozen=True)
class BodyHeader:
    """What the head of a BVH file says.

    Attributes:
        places: BEAT's name of a joint -> its index in the file.
        skeleton: bones in centimetres.
        fps: frames per second.
        scale: centimetres per unit of the file.
        unit: its name.
        num_joints: of the file.
    """

    places: dict[str, int]
    skeleton: Skeleton
    fps: float
    scale: float
    unit: str
    num_joints: int


class BodyFiles:
    """The BVH files of an evaluation.

    Args:
        sides: name of a side (REFERENCE, a system, a seed of it) -> its files.
        ids: recordings that are looked at.
        network: what FGD measures with, or None.
    """

    def __init__(
        self, sides: Mapping[str, Seed], ids: Iterable[str], network: FGDNetwork | None, *, progress: bool = False
    ) -> None:
        self._sides = dict(sides)
        self.not_scored: list[dict[str, str]] = []
        self._headers: dict[tuple[str, str], BodyHeader] = {}
        self._damaged: set[str] = set()
        for key in tqdm(list(ids), "checking", unit="recording", disable=None if progress else True):
            self._read_headers(key)
        shared = [set(header.places) for header in self._headers.values()]
        held = set.intersection(*shared) if shared else set()
        self.joints: tuple[str, ...] = tuple(joint for joint in BEAT_JOINTS if joint in held)
        if self._headers and len(self.joints) < MIN_JOINTS:
            raise InputError(
                f"the BVH files share {len(self.joints)} known joints ({', '.join(self.joints) or 'none'}); at least"
                f" {MIN_JOINTS} are needed: {self._odd_one()}"
            )
        first = next((header for (_, name), header in sorted(self._headers.items()) if name == REFERENCE), None)
        self.parents: tuple[int, ...] = (
            () if first is None else scored_parents(self.joints, first.places, first.skeleton)
        )
        self.up_axis = UP_AXIS if first is None else _up_axis(first)
        self.network_problem = "" if network is None else self._network_problem(network)

    def _read_headers(self, key: str) -> None:
        """Keeps the headers of a recording if every file of it can be read to its end.

        Joints, frame rate and axes of the evaluation come from the headers: that of a damaged file, and those of the
        other sides of its recording, must not change how the other recordings are scored.
        """
        headers = {}
        for name, seed in self._sides.items():
            if key not in seed.bodies:
                continue
            path = seed.bodies[key]
            try:
                header = _header_of(path)
                with collected_warnings():  # they come again when the file is scored
                    check_body(read_bvh(path, scale_to_cm=header.scale), path)
                headers[key, name] = header
            except Exception as error:  # of any kind: it concerns this recording alone
                self.not_scored.append({"id": key, "metric": "body", "reason": reason_of(error, path)})
                self._damaged.add(key)
        if key not in self._damaged:
            self._headers |= headers

    def read(self, key: str, name: str, not_scored: list[dict[str, str]]) -> BvhMotion | None:
        """A file in centimetres; None where there is none or it cannot be read, which is listed."""
        header = self._headers.get((key, name))
        if header is None:
            return None
        path = self._sides[name].bodies[key]
        try:
            motion = read_bvh(path, scale_to_cm=header.scale)
            check_body(motion, path)
        except Exception as error:  # of any kind: it concerns this file alone
            not_scored.append({"id": key, "metric": "body", "reason": reason_of(error, path)})
            return None
        return motion

    def places(self, key: str, name: str) -> dict[str, int]:
        """BEAT's name of a joint -> its index in a file."""
        return self._headers[key, name].places

    def fps(self, key: str, name: str) -> float:
        """Frame rate of a file."""
        return self._headers[key, name].fps

    def ids(self, name: str) -> list[str]:
        """Recordings whose file of a side has a usable head."""
        return sorted(key for key, side in self._headers if side == name)

    def notices(self, fps: float) -> list[str]:
        """Rates, units, joints and bones that differ from what is expected."""
        rows = []
        for name in self._sides:
            headers = [header for (_, side), header in sorted(self._headers.items()) if side == name]
            rates = Counter(header.fps for header in headers if abs(header.fps / fps - 1) > FPS_TOLERANCE)
            rows += [
                f"{name}: {count} files at {rate:g} fps brought to {fps:g} fps" for rate, count in sorted(rates.items())
            ]
            units = Counter(header.unit for header in headers if header.scale != 1)
            rows += [
                f"{name}: {count} files seem to be in {unit}; brought to centimetres" for unit, count in units.items()
            ]
            unused = sorted({joint for header in headers for joint in header.places if joint not in self.joints})
            strange = max((header.num_joints - len(header.places) for header in headers), default=0)
            if unused:
                rows.append(f"{name}: {_some(unused)} left aside, since not every file has them")
            if strange:
                rows.append(f"{name}: up to {strange} joints of a file have no counterpart in BEAT and are left aside")
        return rows + self._bone_notices()

    def _bone_notices(self) -> list[str]:
        """Generated skeletons whose bones differ from the real ones."""
        lengths, angles, rows = Counter(), {}, []
        for (key, name), header in sorted(self._headers.items()):
            real = self._headers.get((key, REFERENCE))
            if name == REFERENCE or real is None or ROOT not in self.joints:
                continue
            length, angle = _compare_bones(header, real, self.joints, self.parents)
            lengths[name] += length > LENGTH_TOLERANCE
            angles[name] = max(angles.get(name, 0.0), angle)
        rows += [
            f"{name}: bones of {count} files differ by more than 5 % from the real person's"
            for name, count in lengths.items()
            if count
        ]
        for name, angle in angles.items():
            if angle > ANGLE_TOLERANCE_DEG:
                rows.append(
                    f"{name}: its skeleton rests otherwise than the real one (bones up to {angle:.0f} degrees apart):"
                    " rotations (fgd_rot6d, srgr, beat_align_beat2022) compare the skeletons too; positions do not"
                )
        return rows

    def _odd_one(self) -> str:
        """The file that has the fewest known joints."""
        (key, name), header = min(self._headers.items(), key=lambda item: len(item[1].places))
        path = self._sides[name].bodies[key]
        return f"{path} has {len(header.places)} ({', '.join(header.skeleton.names[:4])} ...)"

    def _network_problem(self, network: FGDNetwork) -> str:
        for (key, name), header in sorted(self._headers.items()):
            missing = network.missing_joints(header.places)
            if missing:
                return f"{self._sides[name].bodies[key]} lacks {_some(missing)}, which the network needs"
        return ""


def _header_of(path: Path) -> BodyHeader:
    """Reads the head of a file.

    Raises:
        InputError: it is damaged, its rate is none, or too few of its joints have a known name.
    """
    header = parse_header(read_lines(path), path)
    raw = Skeleton(tuple(header.names), tuple(header.parents), torch.tensor(header.offsets, dtype=torch.float64))
    scale, unit = file_scale(raw)
    fps = nominal_fps(header.frame_time_s)
    check_fps(fps, path)
    places = {joint: place for place, joint in beat_names(header.names, header.parents).items()}
    known = [joint for joint in BEAT_JOINTS if joint in places]
    if len(known) < MIN_JOINTS:
        raise InputError(
            f"{path}: {len(known)} joints with a known name ({', '.join(header.names[:4])} ...); at least {MIN_JOINTS}"
            " are needed"
        )
    skeleton = Skeleton(raw.names, raw.parents, raw.offsets_cm * scale)
    return BodyHeader(places, skeleton, fps, scale, unit, raw.num_joints)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more joints" if len(names) > 3 else "")


def _up_axis(header: BodyHeader) -> int:
    """The axis along which the resting head lies above the hips."""
    head = next((joint for joint in HEADS if joint in header.places), None)
    if head is None or ROOT not in header.places:
        return UP_AXIS
    joint, above = header.places[head], torch.zeros(3, dtype=torch.float64)
    while joint >= 0 and joint != header.places[ROOT]:
        above, joint = above + header.skeleton.offsets_cm[joint], header.skeleton.parents[joint]
    return int(above.abs().argmax()) if above.abs().max() > 0 else UP_AXIS


def _compare_bones(
    header: BodyHeader, real: BodyHeader, joints: tuple[str, ...], parents: tuple[int, ...]
) -> tuple[float, float]:
    """Greatest relative difference of a limb's length, and greatest angle (degrees) between resting bones."""
    length, angle = 0.0, 0.0
    for joint, parent in zip(joints, parents, strict=True):
        if parent < 0:
            continue
        bones = [_bone(side, joint, joints[parent]) for side in (header, real)]
        sizes = [float(bone.norm()) for bone in bones]
        if min(sizes) < 1.0:  # a centimetre: the direction of a stub means nothing
            continue
        length = max(length, abs(sizes[0] / sizes[1] - 1))
        cosine = float((bones[0] @ bones[1]) / (sizes[0] * sizes[1]))
        angle = max(angle, float(torch.rad2deg(torch.arccos(torch.tensor(min(max(cosine, -1.0), 1.0))))))
    return length, angle


def _bone(header: BodyHeader, joint: str, parent: str) -> torch.Tensor:
    """From one scored joint to another, at rest."""
    place, offset = header.places[joint], torch.zeros(3, dtype=torch.float64)
    while place >= 0 and place != header.places[parent]:
        offset, place = offset + header.skeleton.offsets_cm[place], header.skeleton.parents[place]
    return offset
