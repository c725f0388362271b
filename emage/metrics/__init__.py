"""Metrics: `update` with one recording at a time, `compute` for the result. Arguments are never altered.

Each file also has the plain function of its idea (`fgd.frechet_distance`, `srgr.srgr` ...); confidence.py puts
intervals to what the classes kept. docs/metrics.md says what each number means, and which published ones it can be
compared with.
"""

from typing import Any

from emage.metrics.beat_align import BeatAlign
from emage.metrics.diversity import L1Diversity, Multimodality, PairwiseDiversity
from emage.metrics.face import ArkitFace
from emage.metrics.face_vertices import FaceVertices
from emage.metrics.feet import Feet
from emage.metrics.fgd import FGD
from emage.metrics.kinematics import CCA, Kinematics
from emage.metrics.seams import Seams
from emage.metrics.srgr import SRGR

METRICS: dict[str, Any] = {
    "fgd": FGD,
    "beat_align": BeatAlign,
    "srgr": SRGR,
    "l1_diversity": L1Diversity,
    "pairwise_diversity": PairwiseDiversity,
    "multimodality": Multimodality,
    "kinematics": Kinematics,
    "cca": CCA,
    "feet": Feet,
    "seams": Seams,
    "arkit_face": ArkitFace,
    "face_vertices": FaceVertices,
}

__all__ = [
    "CCA",
    "FGD",
    "METRICS",
    "SRGR",
    "ArkitFace",
    "BeatAlign",
    "FaceVertices",
    "Feet",
    "Kinematics",
    "L1Diversity",
    "Multimodality",
    "PairwiseDiversity",
    "Seams",
]
