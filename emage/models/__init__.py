"""Networks: tensors in, a small dataclass out. A config chooses one by its name in MODELS."""

from torch import nn

from emage.models.camn import CaMN, CaMNOutput
from emage.models.face import FaceOutput, FaceTrunk
from emage.models.masked_transformer import MaskedGestureTransformer, MaskedTransformerOutput
from emage.models.motion_autoencoder import MotionAutoencoder, MotionAutoencoderOutput
from emage.models.tokenizer import DecodedMotion, MotionTokenizer
from emage.models.vqvae import MotionVQVAE, MotionVQVAEOutput

MODELS: dict[str, type[nn.Module]] = {
    "motion_autoencoder": MotionAutoencoder,
    "vqvae": MotionVQVAE,
    "camn": CaMN,
    "masked_transformer": MaskedGestureTransformer,
    "face": FaceTrunk,
}

__all__ = [
    "MODELS",
    "CaMN",
    "CaMNOutput",
    "FaceOutput",
    "FaceTrunk",
    "DecodedMotion",
    "MaskedGestureTransformer",
    "MaskedTransformerOutput",
    "MotionAutoencoder",
    "MotionAutoencoderOutput",
    "MotionTokenizer",
    "MotionVQVAE",
    "MotionVQVAEOutput",
]
