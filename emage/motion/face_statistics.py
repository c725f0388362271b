"""Mean and deviation of faces by corpus, beside the statistics that every checkpoint has.

Shapes: K corpora, D = 157 columns of face_all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from emage.motion.convert_face import FACE_ALL
from emage.motion.layout import get_layout
from emage.motion.statistics import MIN_STD, MotionStatistics


@dataclass
class FaceStatistics(MotionStatistics):
    """Statistics of the train splits of several corpora.

    Attributes:
        corpus_mean: (K, D) in face_all; 0 where a corpus knows nothing.
        corpus_std: (K, D); 1 where a corpus knows nothing, or a column does not move.
    """

    corpus_mean: Tensor
    corpus_std: Tensor

    @classmethod
    def of(cls, means: Tensor, stds: Tensor) -> "FaceStatistics":
        """From the moments (K, D) of each corpus as measured; the first corpus also is the one of `means`, `stds`."""
        safe = torch.where(stds < MIN_STD, 1.0, stds)
        rest = torch.zeros(get_layout("beat_full").dim)  # there is no body
        return cls({FACE_ALL: means[0]}, {FACE_ALL: stds[0]}, rest, means.float(), safe.float())
