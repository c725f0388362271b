"""BVH motion files: any hierarchy in, the same hierarchy out.

The channel order comes from the header, joint by joint. Rotation channels in the order listed are intrinsic turns,
R = R0 R1 R2 on column vectors. A position channel replaces that axis of the joint's OFFSET for the frame, at the root
too, as Blender and bvhio read it. Distances are centimetres unless `scale_to_cm` says otherwise.

Shapes: T frames, J joints, C channels of all joints together, E End Sites.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from emage.errors import InputError, warn_input
from emage.motion import rotation
from emage.motion.atomic import partial_file
from emage.motion.bvh_reader import BvhHeader, parse_frames, parse_header, read_lines
from emage.motion.frame_time import nominal_fps
from emage.motion.skeleton import Skeleton, forward_kinematics

CHUNK_FRAMES = 1024  # ten minutes at 120 fps at once take 2 GB and several times as long


@dataclass(eq=False)
class BvhMotion:
    """One BVH file in memory.

    Attributes:
        skeleton: names in the file's spelling, parents (root -1), OFFSETs in centimetres.
        channels: channel names of each joint in file order, e.g. ("Zrotation", "Xrotation", "Yrotation").
        values: (T, C) float64, the rows of the file: degrees and centimetres.
        frame_time_s: the file's own `Frame Time`.
        end_sites: (index of the joint that holds it, OFFSET in centimetres (3,)) of every End Site.
    """

    skeleton: Skeleton
    channels: tuple[tuple[str, ...], ...]
    values: Tensor
    frame_time_s: float
    end_sites: tuple[tuple[int, Tensor], ...] = ()

    def __post_init__(self) -> None:
        assert len(self.channels) == self.skeleton.num_joints
        assert self.values.shape[1] == sum(map(len, self.channels))

    @property
    def names(self) -> tuple[str, ...]:
        """Joint names in the file's spelling."""
        return self.skeleton.names

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each joint's parent, -1 for the root."""
        return self.skeleton.parents

    @property
    def offsets_cm(self) -> Tensor:
        """(J, 3) OFFSETs."""
        return self.skeleton.offsets_cm

    @property
    def num_frames(self) -> int:
        """Rows of numbers."""
        return len(self.values)

    @property
    def fps(self) -> float:
        """1 / frame_time_s, taken as the whole number that the file's rounding stands for (0.008333 s is 120 fps)."""
        return nominal_fps(self.frame_time_s)

    @property
    def duration_s(self) -> float:
        """N frames at rate r last N / r seconds."""
        return self.num_frames / self.fps

    def order(self, joint: int) -> str:
        """Rotation letters of a joint in file order, e.g. "ZXY"; "" for a joint that does not turn."""
        return "".join(channel[0] for channel in self.channels[joint] if channel.endswith("rotation"))

    def euler_deg(self) -> Tensor:
        """The rotation channels as they stand, (T, J, 3), column k about the k-th letter of `order(joint)`.

        Raises:
            InputError: if a joint has not three rotation channels; `rotations()` serves every file.
        """
        for joint, name in enumerate(self.names):
            if len(self.order(joint)) != 3:
                raise InputError(
                    f"joint {name} turns about {self.order(joint)!r}; Euler angles need 3 rotation channels"
                )
        columns = [column for joint in range(len(self.names)) for column in self._columns(joint, "rotation")]
        return self.values[:, columns].unflatten(1, (-1, 3))  # (T, J, 3)

    def rotations(self) -> Tensor:
        """Local rotation of each joint, (T, J, 3, 3)."""
        joints_of_order: dict[str, list[int]] = {}
        for joint in range(len(self.names)):
            joints_of_order.setdefault(self.order(joint), []).append(joint)
        matrix = torch.eye(3, dtype=self.values.dtype).repeat(self.num_frames, len(self.names), 1, 1)  # (T, J, 3, 3)
        for order, joints in joints_of_order.items():
            columns = torch.tensor([self._columns(joint, "rotation") for joint in joints])
            for rows in self._chunks() if order else ():
                matrix[rows, joints] = rotation.euler_to_matrix(self.values[rows][:, columns], order)
        return matrix

    def translations_cm(self) -> Tensor:
        """Position of each joint in its parent's frame, (T, J, 3): its OFFSET, unless position channels replace it."""
        translation = self.offsets_cm.to(self.values.dtype).repeat(self.num_frames, 1, 1)  # (T, J, 3)
        for joint, channels in enumerate(self.channels):
            axes = ["XYZ".index(channel[0]) for channel in channels if channel.endswith("position")]
            translation[:, joint, axes] = self.values[:, self._columns(joint, "position")]
        return translation

    def positions(self) -> Tensor:
        """Position of each joint in the world, (T, J, 3), centimetres."""
        return torch.cat([position for position, _ in self._global()])

    def blocks(self, num_frames: int = CHUNK_FRAMES) -> "Iterator[BvhMotion]":
        """The file cut into stretches, so that hours need no more memory at once than minutes; at least one."""
        for start in range(0, max(self.num_frames, 1), num_frames):
            yield replace(self, values=self.values[start : start + num_frames])

    def _global(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions (n, J, 3) and orientations (n, J, 3, 3) in the world, n frames at a time."""
        rotations, translations_cm = self.rotations(), self.translations_cm()
        for rows in self._chunks():
            yield forward_kinematics(rotations[rows], self.parents, translations_cm[rows])

    def _chunks(self) -> list[slice]:
        """The frames cut so that what is computed at once stays in the processor's cache; at least one, if empty."""
        return [slice(start, start + CHUNK_FRAMES) for start in range(0, max(self.num_frames, 1), CHUNK_FRAMES)]

    def _columns(self, joint: int, kind: str = "") -> list[int]:
        """Columns of `values` that hold the channels of a joint, of one kind ("rotation" or "position") or all."""
        start = sum(map(len, self.channels[:joint]))
        return [start + k for k, channel in enumerate(self.channels[joint]) if channel.endswith(kind)]


def read_bvh(path: str | Path, scale_to_cm: float = 1.0, *, trust_frame_count: bool = True) -> BvhMotion:
    """Reads a BVH file of any source.

    Doubtful input that is accepted (decimal commas, a `Frame Time` that is a rate, more rows than `Frames:` says) is an
    `InputWarning`.

    Args:
        path: the file.
        scale_to_cm: centimetres per unit of the file (100 for metres); OFFSETs and position channels are multiplied.
        trust_frame_count: False takes the rows that are there, whatever `Frames:` says (the files of BEAT's own cache
            keep the count of the recording that they were thinned from).

    Raises:
        InputError: a fault of the file, with its line.
    """
    if not 0 < scale_to_cm < math.inf:
        raise InputError(f"scale_to_cm: got {scale_to_cm}; expected the centimetres of a unit, e.g. 100 for metres")
    lines = read_lines(path)
    header = parse_header(lines, path)
    values = torch.from_numpy(parse_frames(lines, header, path))  # (T, C)
    if values.shape[1] == 0:  # nothing moves: no row says how many frames there are
        values = values.new_empty(header.num_frames, 0)
    if trust_frame_count and len(values) < header.num_frames:
        raise InputError(f"{path}: {_missing_rows(header, len(values))}")
    if trust_frame_count and len(values) > header.num_frames:
        surplus = len(values) - header.num_frames
        warn_input(f"{path}: `Frames:` says {header.num_frames}; the {surplus} rows beyond are left out")
        values = values[: header.num_frames]

    lengths = torch.tensor([column.endswith("position") for column in header.columns], dtype=torch.bool)
    values[:, lengths] *= scale_to_cm
    offsets_cm = torch.tensor(header.offsets, dtype=torch.float64) * scale_to_cm  # (J, 3)
    return BvhMotion(
        skeleton=Skeleton(tuple(header.names), tuple(header.parents), offsets_cm),
        channels=tuple(header.channels),
        values=values,
        frame_time_s=header.frame_time_s,
        end_sites=tuple((joint, scale_to_cm * torch.tensor(o, dtype=torch.float64)) for joint, o in header.end_sites),
    )


def _missing_rows(header: BvhHeader, num_rows: int) -> str:
    """Why a file holds fewer rows than it says, and the remedy."""
    found = f"`Frames:` says {header.num_frames}, but {num_rows} rows follow line {header.first_row}"
    step = round(header.num_frames / max(num_rows, 1))
    if num_rows > 20 and step > 1 and abs(header.num_frames - step * num_rows) <= 3 * step:
        return (  # BEAT's own cache at 15 fps keeps the header of the recording at 120 fps
            f"{found}: either the file is cut off, or it was thinned {step}:1 and kept its old header; then write"
            f" `Frames: {num_rows}` and `Frame Time: {step * header.frame_time_s:.6g}`"
        )
    return f"{found}: the file is cut off; copy it again, or correct `Frames:` if these are all"


def bvh_from_rotations(
    skeleton: Skeleton,
    rotations: Tensor,
    *,
    root_translation_cm: Tensor,
    fps: float,
    order: str = "XYZ",
    end_sites: Sequence[tuple[int, Tensor]] | None = None,
) -> BvhMotion:
    """Puts a movement into the form of a BVH file: 6 channels at the root, 3 at every other joint.

    Args:
        skeleton: J joints, one root.
        rotations: local rotations, as matrices (T, J, 3, 3) or as Euler degrees in `order` (T, J, 3). Matrices become
            angles that are continuous in time, so that a program may interpolate them; angles are taken as they are.
        root_translation_cm: (T, 3) or (3,).
        fps: frames per second.
        order: rotation letters of every joint.
        end_sites: (joint index, OFFSET (3,)); None gives each joint without children one of length zero.
    """
    roots = [joint for joint, parent in enumerate(skeleton.parents) if parent < 0]
    if len(roots) != 1:
        raise ValueError(f"a BVH file holds one root: got {len(roots)}")
    if fps <= 0:
        raise ValueError(f"fps must be positive: got {fps}")
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"order: got {order!r}; expected the letters X, Y and Z, each once")
    rotations = rotations.detach().to(device="cpu", dtype=torch.float64)
    if rotations.ndim == 4:
        rotations = rotation.unwrap_euler(rotation.matrix_to_euler(rotations, order), order)  # (T, J, 3)
    if rotations.shape[1:] != (skeleton.num_joints, 3):
        raise ValueError(f"rotations of {skeleton.num_joints} joints expected: got shape {tuple(rotations.shape)}")
    translation = root_translation_cm.detach().to(rotations).expand(len(rotations), 3)
    turns = tuple(f"{letter}rotation" for letter in order)
    channels = [turns] * skeleton.num_joints
    channels[roots[0]] = ("Xposition", "Yposition", "Zposition", *turns)
    columns = list(rotations.unbind(dim=1))  # J of (T, 3)
    columns.insert(roots[0], translation)
    if end_sites is None:
        leaves = sorted(set(range(skeleton.num_joints)) - set(skeleton.parents))
        end_sites = [(joint, torch.zeros(3, dtype=torch.float64)) for joint in leaves]
    return BvhMotion(
        skeleton=skeleton,
        channels=tuple(channels),
        values=torch.cat(columns, dim=1),
        frame_time_s=1 / fps,
        end_sites=tuple(end_sites),
    )


def write_bvh(path: str | Path, motion: BvhMotion, *, scale_to_cm: float = 1.0) -> None:
    """Writes a BVH file that reads back to 1e-6 degrees and units of length, OFFSETs and Frame Time exactly.

    The file is there whole or not at all. Joints are written depth first, as the format demands, whatever their order
    in the skeleton.

    Args:
        path: the file.
        motion: centimetres and degrees.
        scale_to_cm: centimetres in one unit of the file, as `read_bvh` takes it: 1 writes centimetres, 100 metres.

    Raises:
        InputError: a NaN or infinite number, or a joint name that the format cannot hold.
    """
    if scale_to_cm != 1:
        motion = _scaled(motion, 1 / scale_to_cm)
    finite = torch.isfinite(motion.values)
    if not finite.all():
        frame = int((~finite).any(dim=1).nonzero()[0, 0])
        raise InputError(f"{path}: not written, since frame {frame} of the motion holds NaN or infinity")
    joints = _depth_first(motion.parents)
    lines = ["HIERARCHY", *_hierarchy_lines(path, motion, joints), "MOTION"]
    lines += [f"Frames: {motion.num_frames}", f"Frame Time: {float(motion.frame_time_s)!r}"]
    columns = [column for joint in joints for column in motion._columns(joint)]
    row = " ".join(["%.6f"] * len(columns)) + "\n"
    with partial_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        for block in motion.blocks():
            file.writelines(row % tuple(values) for values in block.values[:, columns].tolist())


def _scaled(motion: BvhMotion, scale: float) -> BvhMotion:
    """The same movement with every length multiplied; angles stay."""
    skeleton = motion.skeleton
    lengths = torch.tensor([channel.endswith("position") for joint in motion.channels for channel in joint])
    return replace(
        motion,
        skeleton=replace(skeleton, offsets_cm=skeleton.offsets_cm * scale),
        values=torch.where(lengths, motion.values * scale, motion.values),
        end_sites=tuple((joint, offset * scale) for joint, offset in motion.end_sites),
    )


def _depth_first(parents: Sequence[int]) -> list[int]:
    """Joints in the order in which a hierarchy of braces names them: each one's children right behind it."""
    order, waiting = [], [joint for joint, parent in enumerate(parents) if parent < 0]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        waiting += [child for child in reversed(range(len(parents))) if parents[child] == joint]
    return order


def _hierarchy_lines(path: str | Path, motion: BvhMotion, joints: list[int]) -> list[str]:
    lines: list[str] = []
    opened: list[int] = []
    for joint in joints:
        while opened and opened[-1] != motion.parents[joint]:
            opened.pop()
            lines.append("\t" * len(opened) + "}")
        name, channels, indent = motion.names[joint], motion.channels[joint], "\t" * len(opened)
        if not name or name != " ".join(name.splitlines()).strip() or set(name) & set("{}"):
            raise InputError(f"{path}: not written, since BVH cannot hold the joint name {name!r}; rename it")
        lines += [f"{indent}{'JOINT' if opened else 'ROOT'} {name}", f"{indent}{{"]
        lines += [f"{indent}\tOFFSET {_offset_text(motion.offsets_cm[joint])}"]
        lines += [f"{indent}\tCHANNELS {' '.join([str(len(channels)), *channels])}"]
        for holder, offset in motion.end_sites:
            if holder == joint:
                site = ["End Site", "{", f"\tOFFSET {_offset_text(offset)}", "}"]
                lines += [f"{indent}\t{line}" for line in site]
        opened.append(joint)
    return lines + ["\t" * depth + "}" for depth in reversed(range(len(opened)))]


def _offset_text(offset: Tensor) -> str:
    """Three numbers as short as six decimals where that is exact."""
    texts = [(f"{value:.6f}", value) for value in offset.tolist()]
    return " ".join(text if float(text) == value else repr(value) for text, value in texts)
