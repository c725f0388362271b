"""Training: the loop (trainer), the run folder (run), and the tasks by the name of the model they train."""

from emage.training.protocols import Task, TrainingCorpus
from emage.training.run import Run
from emage.training.tasks.camn import CaMNTask
from emage.training.tasks.face import FaceTask
from emage.training.tasks.masked_transformer import MaskedTransformerTask
from emage.training.tasks.motion_autoencoder import MotionAutoencoderTask
from emage.training.tasks.vqvae import MotionVQVAETask
from emage.training.trainer import Trainer

TRAINERS: dict[str, type[Task]] = {
    "motion_autoencoder": MotionAutoencoderTask,
    "vqvae": MotionVQVAETask,
    "camn": CaMNTask,
    "masked_transformer": MaskedTransformerTask,
    "face": FaceTask,
}

__all__ = ["TRAINERS", "Run", "Task", "Trainer", "TrainingCorpus"]
