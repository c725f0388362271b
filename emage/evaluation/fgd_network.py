"""The network that FGD measures with: a checkpoint of a trained motion_autoencoder.

It judges in its own terms: its layout, its frame rate, its window, its statistics. Motion is brought to these from its
source, so that files of any frame rate are measured alike.

Shapes: T frames, D columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emage.checkpoint import Bundle, load_bundle, weights_hash
from emage.errors import InputError
from emage.generation import checkpoint_in
from emage.metrics import FGD
from emage.motion.bvh import BvhMotion
from emage.motion.convert import convert
from emage.motion.layout import EULER_ORDER, Layout, get_layout
from emage.motion.resample import frame_count, resample_euler, resample_linear
from emage.motion.rotation import matrix_to_euler
from emage.performance import Performance

FGD_MODEL = "motion_autoencoder"


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

    @property
    def fps(self) -> float:
        """Frame rate of the motion that it was trained on."""
        return self.bundle.config.data.fps

    def describe(self) -> dict[str, Any]:
        """What is written beside an FGD value."""
        info, model = self.bundle.info, self.bundle.config.model
        return {
            "checkpoint": str(self.folder),
            "weights_sha256": self.weights_hash,
            "steps": info.get("steps"),
            "layout": model.layout,
            "features": model.features,
            "fps": self.fps,
        }

    def metric(self) -> FGD:
        """An empty FGD with the windows that the network was trained on."""
        data = self.bundle.config.data
        return FGD(self.bundle.model, window_frames=data.window_frames, stride_frames=data.stride_frames)

    def features_of(self, performance: Performance) -> Tensor:
        """The motion as the network sees it, (T, D) z-scored.

        A joint or a root movement that the layout does not hold is filled with one pose: it cannot tell two apart.
        """
        layout = self.bundle.config.model.layout
        motion = convert(performance.motion, performance.layout, layout, fill=performance.fill)
        return self.bundle.statistics.normalise(motion, layout)

    def missing_joints(self, names: Mapping[str, int]) -> list[str]:
        """Joints that the network needs and a file lacks; `names` gives BEAT's names of the file's joints."""
        return [joint for joint in self._source().joints if joint not in names]

    def features_of_bvh(self, bvh: BvhMotion, names: Mapping[str, int], duration_s: float) -> Tensor:
        """The motion of a file as the network sees it, (T, D) z-scored, at the network's frame rate.

        Args:
            bvh: distances in centimetres.
            names: BEAT's name of a joint -> its index in the file; none may be missing.
            duration_s: how much of the file is taken, from its start.
        """
        source, num_frames = self._source(), frame_count(duration_s, self.fps)
        joints = [names[joint] for joint in source.joints]
        angles = own_angles(bvh, joints)  # (N, J, 3)
        angles = resample_euler(angles, EULER_ORDER, bvh.fps, target_fps=self.fps, num_frames=num_frames)
        columns = [angles.flatten(1)]
        if source.has_translation:
            root = bvh.translations_cm()[:, names[source.joints[0]]]
            columns.insert(0, resample_linear(root, bvh.fps, self.fps, num_frames))
        layout = self.bundle.config.model.layout
        motion = convert(torch.cat(columns, dim=1).float(), source, layout)
        return self.bundle.statistics.normalise(motion, layout)

    def _source(self) -> Layout:
        """The layout of a file's angles that the network's own is made from."""
        return get_layout("beat_full" if get_layout(self.bundle.config.model.layout).has_translation else "beat_141")


def own_angles(bvh: BvhMotion, joints: list[int]) -> Tensor:
    """Euler degrees (N, J, 3) in BEAT's order: as the file has them, or made from its rotations."""
    if all(bvh.order(joint) == EULER_ORDER for joint in range(len(bvh.names))):
        return bvh.euler_deg()[:, joints]
    return matrix_to_euler(bvh.rotations()[:, joints], EULER_ORDER)


def load_fgd_network(
    folder: str | Path, train_command: str, *, device: str | torch.device = "cpu", key: str = "metrics.fgd.checkpoint"
) -> FGDNetwork:
    """Loads the network that FGD measures with.

    Args:
        folder: checkpoint of a trained motion_autoencoder; "" is an error.
        train_command: the command that trains one, for the error messages.
        device: where it runs.
        key: how the user gave the folder, for the error messages.

    Raises:
        InputError: none given, none there, one of another model, or an untrained one.
    """
    remedy = f"train one with `{train_command}`"
    if not str(folder):
        raise InputError(f"{key}: not set; FGD needs a trained {FGD_MODEL}: {remedy} and give its folder")
    if not Path(folder).is_dir():
        raise InputError(f"{key}: no folder {folder}; {remedy}")
    folder = checkpoint_in(folder)
    bundle = load_bundle(folder, expected=FGD_MODEL)
    if not bundle.info.get("steps"):
        raise InputError(f"{key}: {folder} is untrained (0 steps), its distances mean nothing; {remedy}")
    bundle.model.to(device)
    return FGDNetwork(bundle, folder, weights_hash(folder))
