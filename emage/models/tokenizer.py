"""The motion tokenizer: a whole person as codes, one VQ-VAE a part, and back.

Shapes: B batch, T frames, D columns of the body's layout, P values of a part, C channels of a part's latent, N =
ceil(T / downsample) code steps, Q levels of a part's codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emage.config import MotionVQVAEConfig
from emage.errors import InputError
from emage.models.vqvae import MotionVQVAE
from emage.motion.layout import Layout, get_layout
from emage.motion.parts import FACE, TOKEN_PARTS, PartValues
from emage.motion.rotation import matrix_to_rot6d


@dataclass
class DecodedMotion:
    """What codes say.

    Attributes:
        motion: (B, T, D), its rot6d orthonormal.
        face: (B, T, 51) in 0..1; None without a face part.
        contact: (B, T, 4) in 0..1, in the order of contact.CONTACT_JOINTS; None without the lower body.
    """

    motion: Tensor
    face: Tensor | None
    contact: Tensor | None


class MotionTokenizer(nn.Module):
    """VQ-VAEs of the parts of one person.

    Args:
        configs: part -> its config; any of upper, hands, lower, face.

    Attributes:
        parts: those given, in that order.
        layout: of the body's motion.
        downsample: frames a code step, of all parts.
        vqvaes: part -> MotionVQVAE.

    Raises:
        InputError: no part, an unknown one, a config of another part, or layouts or steps that differ.
    """

    def __init__(self, configs: Mapping[str, MotionVQVAEConfig]) -> None:
        super().__init__()
        _check(configs)
        self.parts = tuple(part for part in TOKEN_PARTS if part in configs)
        first = configs[self.parts[0]]
        self.layout: Layout = get_layout(first.layout)
        self.downsample = first.downsample
        self.vqvaes = nn.ModuleDict({part: MotionVQVAE(configs[part]) for part in self.parts})

    @property
    def fps(self) -> float:
        """Frames per second of what the parts were trained on."""
        return float(self.vqvaes[self.parts[0]].fps)

    def num_steps(self, num_frames: int) -> int:
        """Code steps of so many frames."""
        return -(-num_frames // self.downsample)

    def part_values(self, motion: Tensor, face: Tensor | None, offsets_cm: Tensor | None) -> dict[str, Tensor]:
        """What each part's VQ-VAE takes.

        Args:
            motion: (B, T, D) raw, in the layout.
            face: (B, T, 51), or None: the face part is then left out.
            offsets_cm: (B, J, 3) bones of the layout's joints in its order, for the foot contact; None: the feet are
                taken to rest.

        Returns:
            Part -> (B, T, P).
        """
        values = {
            part: self._values(part).of_motion(motion, offsets_cm, self.fps) for part in self.parts if part != FACE
        }
        return values if face is None or FACE not in self.parts else {**values, FACE: face}

    def encode(self, part_values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Part -> values (B, T, P) becomes part -> codes (B, N, Q)."""
        return {part: self.vqvaes[part].encode(values) for part, values in part_values.items()}

    def lookup(self, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Part -> codes (B, N, Q) becomes part -> latents (B, N, C)."""
        return {part: self.vqvaes[part].lookup(rows) for part, rows in codes.items()}

    def decode(self, codes: Mapping[str, Tensor], num_frames: int) -> DecodedMotion:
        """Part -> codes (B, N, Q) becomes `num_frames` frames of motion; see `decode_latents`."""
        return self.decode_latents(self.lookup(codes), num_frames)

    def decode_latents(self, latents: Mapping[str, Tensor], num_frames: int) -> DecodedMotion:
        """Part -> latents (B, N, C) becomes motion.

        Joints whose part is not among `latents` are unturned, and a translation that no part holds is zero: whoever
        draws the person fills them, e.g. with the mean pose.

        Args:
            latents: of some or all parts, at least one.
            num_frames: T, at most N * downsample.
        """
        values = {part: self.vqvaes[part].decode_latents(rows, num_frames) for part, rows in latents.items()}
        any_values = next(iter(values.values()))
        rest = PartValues("all", self.layout).rest().to(any_values)
        motion = rest.expand(*any_values.shape[:-1], -1).clone()
        for part, rows in values.items():
            if part != FACE:
                meaning = self._values(part)
                rotations = matrix_to_rot6d(meaning.matrices(rows)).flatten(-2)
                motion[..., meaning.columns.to(motion.device)] = torch.cat([meaning.translation(rows), rotations], -1)
        face, contact = values.get(FACE), None
        if "lower" in values and self._values("lower").num_contact:
            contact = self._values("lower").contact(values["lower"]).clamp(0, 1)
        return DecodedMotion(motion, None if face is None else face.clamp(0, 1), contact)

    def _values(self, part: str) -> PartValues:
        return self.vqvaes[part].values


def _check(configs: Mapping[str, MotionVQVAEConfig]) -> None:
    if not configs:
        raise InputError(f"tokenizer: no part given; give one or more of {', '.join(TOKEN_PARTS)}")
    for part, config in configs.items():
        if part not in TOKEN_PARTS:
            raise InputError(f"tokenizer: got the part {part!r}; choose from {', '.join(TOKEN_PARTS)}")
        if config.part != part:
            raise InputError(f"tokenizer: {part}: its VQ-VAE is of the part {config.part!r}; give one of {part}")
    for key in ("layout", "downsample"):
        found = {part: getattr(config, key) for part, config in configs.items()}
        if len(set(found.values())) > 1:
            said = ", ".join(f"{part} {value}" for part, value in found.items())
            raise InputError(f"tokenizer: model.{key} differs: {said}; train all parts with one")
