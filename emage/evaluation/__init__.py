"""Folders of results (ours or anybody's) -> numbers, controls and a report.

`evaluate_folders` reads BVH and json files of any system, `evaluate` takes pairs of performances (test.py);
`Evaluation.write` leaves metrics.json, metrics.csv and report.html. docs/metrics.md says what each number means.
"""

from emage.evaluation.fgd_network import FGDNetwork, load_fgd_network
from emage.evaluation.folders import Folders
from emage.evaluation.pairs import Pair, evaluate, evaluate_pairs
from emage.evaluation.read_folders import evaluate_folders
from emage.evaluation.scoring import Evaluation, Options

__all__ = [
    "Evaluation",
    "FGDNetwork",
    "Folders",
    "Options",
    "Pair",
    "evaluate",
    "evaluate_folders",
    "evaluate_pairs",
    "load_fgd_network",
]
