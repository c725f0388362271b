"""Networks: tensors in, a small dataclass out. A config chooses one by its name in MODELS."""

from torch import nn

from emage.models.camn import CaMN, CaMNOutput
from emage.models.face import FaceOutput, FaceTrunk
from emage.models.motion_autoencoder import MotionAutoencoder, MotionAutoencoderOutput
from emage.models.vqvae import MotionVQVAE, MotionVQVAEOutput

MODELS: dict[str, type[nn.Module]] = {
    "motion_autoencoder": MotionAutoencoder,
    "vqvae": MotionVQVAE,
    "camn": CaMN,
    "face": FaceTrunk,
}

__all__ = [
    "MODELS",
    "CaMN",
    "CaMNOutput",
    "FaceOutput",
    "FaceTrunk",
    "MotionAutoencoder",
    "MotionAutoencoderOutput",
    "MotionVQVAE",
    "MotionVQVAEOutput",
]
