"""What a tokenizer loses: one part's motion through its codes and back, against the motion itself.

Shapes: T frames, P values of a part, J joints of the part, N code steps, Q levels.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from emage.models.vqvae import MotionVQVAE
from emage.motion.part_kinematics import PartKinematics
from emage.motion.rotation import angle_between
from emage.motion.skeleton import BEAT_JOINTS, Skeleton

RESTING_DEG = 0.1  # a joint that turns less about its mean, over all recordings, does not move


class TokenizerScores:
    """Sums over recordings of one part's errors; `add` each recording, then `compute`.

    Args:
        model: of the part, trained; it is put into evaluation mode.
        skeletons: speaker label -> skeleton.
    """

    def __init__(self, model: MotionVQVAE, skeletons: Mapping[str, Skeleton]) -> None:
        self.model, self.values = model.eval(), model.values
        self.skeletons = skeletons
        self.kinematics = None if self.values.is_face else PartKinematics(self.values, skeletons)
        self.num_frames = 0
        self.sums: dict[str, Tensor] = {}
        self.counts = torch.zeros(model.num_quantizers, model.codebook_size, dtype=torch.int64)

    @torch.no_grad()
    def add(self, motion: Tensor, face: Tensor, speaker: str) -> None:
        """Takes one recording in.

        Args:
            motion: (T, D) in the part's layout.
            face: (T, 51).
            speaker: whose skeleton it is.
        """
        model, values = self.model, self.values
        skeleton = self.skeletons[speaker]
        bones_cm = skeleton.offsets_cm[None, skeleton.indices(BEAT_JOINTS)].float()
        if values.is_face:
            wanted = face[None]
        else:
            layout_bones = skeleton.offsets_cm[None, skeleton.indices(values.layout.joints)].float()
            wanted = values.of_motion(motion[None], layout_bones, float(model.fps))  # (1, T, P)
        codes = model.encode(wanted)  # (1, N, Q)
        decoded = model.decode(codes, wanted.shape[1])
        for level, rows in enumerate(codes[0].T):
            self.counts[level] += torch.bincount(rows.cpu(), minlength=model.codebook_size)
        self.num_frames += wanted.shape[1]
        for name, errors in self._errors(decoded, wanted, motion[None], bones_cm).items():
            self.sums[name] = self.sums.get(name, 0.0) + errors[0].double().sum(dim=0).cpu()  # over time

    def _errors(self, decoded: Tensor, wanted: Tensor, motion: Tensor, bones_cm: Tensor) -> dict[str, Tensor]:
        """Per frame, (1, T, ...)."""
        values = self.values
        if self.kinematics is None:
            return {"face_mae": (decoded.clamp(0, 1) - wanted).abs()}
        matrix, target = values.matrices(decoded), values.matrices(wanted)
        mean = torch.linalg.svd(target.mean(dim=1, keepdim=True))
        others = self.kinematics.other_matrices(motion)
        places = [
            self.kinematics.positions(rotations, others, values.translation(rows), bones_cm)
            for rotations, rows in ((matrix, decoded), (target, wanted))
        ]
        errors = {
            "angle_deg": angle_between(matrix, target).rad2deg(),  # (1, T, J)
            "turn_deg": angle_between(mean.U @ mean.Vh, target).rad2deg(),
            "position_cm": (places[0] - places[1]).norm(dim=-1),
        }
        if values.num_translation:
            errors["translation_cm"] = (values.translation(decoded) - values.translation(wanted)).norm(dim=-1)
        if values.num_contact:
            errors["contact_accuracy"] = ((values.contact(decoded) > 0.5) == (values.contact(wanted) > 0.5)).double()
        return errors

    def compute(self) -> dict[str, Any]:
        """The scores.

        Returns:
            part, frames, fps, and where the part holds it: angle_deg (mean over frames and joints; angle_moving_deg over
            joints that move at all), angle_deg_by_joint, position_cm (of the joints that the part moves, all else as it
            was), translation_cm, contact_accuracy, face_mae; of the codes by level: used (share), perplexity;
            codebook_size, downsample, bits_per_second (all levels) and entropy_bits_per_second (were each level coded
            at the frequencies measured).
        """
        assert self.num_frames, "no recording was added"
        model, values = self.model, self.values
        means = {name: total / self.num_frames for name, total in self.sums.items()}
        scores: dict[str, Any] = {"part": values.part, "frames": self.num_frames, "fps": float(model.fps)}
        if "turn_deg" in means:
            moving = means.pop("turn_deg") > RESTING_DEG  # (J,)
            angles = means["angle_deg"]
            scores["angle_moving_deg"] = angles[moving].mean().item() if moving.any() else None
            scores["moving_joints"] = int(moving.sum())
            scores["angle_deg_by_joint"] = dict(zip(values.joints, angles.tolist(), strict=True))
        scores |= {name: mean.mean().item() for name, mean in means.items()}
        return scores | self._code_scores()

    def _code_scores(self) -> dict[str, Any]:
        model = self.model
        share = self.counts / self.counts.sum(dim=1, keepdim=True)  # (Q, K)
        entropy = torch.special.entr(share.double()).sum(dim=1)  # nats a step, (Q,)
        steps_per_second = float(model.fps) / model.downsample
        return {
            "used": (self.counts > 0).double().mean(dim=1).tolist(),
            "perplexity": entropy.exp().tolist(),
            "codebook_size": model.codebook_size,
            "downsample": model.downsample,
            "bits_per_second": model.num_quantizers * math.log2(model.codebook_size) * steps_per_second,
            "entropy_bits_per_second": entropy.sum().item() / math.log(2) * steps_per_second,
        }


def score_lines(scores: list[dict[str, Any]]) -> list[str]:
    """The scores of several parts as a table."""
    heads = ("part", "angle", "moving", "position", "root", "face", "used per level", "perplexity per level", "bits/s")
    units = ("", "deg", "deg", "cm", "cm", "MAE", "%", "", "")
    rows = [heads, units, *(_row(row) for row in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(scores: dict[str, Any]) -> tuple[str, ...]:
    def number(name: str, form: str) -> str:
        value = scores.get(name)
        return "-" if value is None else f"{value:{form}}"

    return (
        scores["part"],
        number("angle_deg", ".2f"),
        number("angle_moving_deg", ".2f"),
        number("position_cm", ".2f"),
        number("translation_cm", ".2f"),
        number("face_mae", ".4f"),
        " ".join(f"{100 * share:.0f}" for share in scores["used"]),
        " ".join(f"{value:.0f}" for value in scores["perplexity"]),
        number("bits_per_second", ".0f"),
    )
