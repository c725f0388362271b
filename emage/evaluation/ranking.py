"""Which recordings came out best and worst: each one's own scores, and the mean of its ranks in a few of them."""

from typing import Any

import numpy as np

from emage.evaluation.measures import MEASURES, badness
from emage.evaluation.store import Store
from emage.evaluation.systems import SystemScores

# What recordings are ranked by: one measure for how it moves, how much, with what, and the face.
RANKED = (
    "hellinger",
    "speed_mean",
    "jerk_mean",
    "l1_diversity",
    "cca",
    "beat_align_excess",
    "face_mae_all",
    "jaw_open_correlation",
)


def per_recording(scores: SystemScores, store: Store) -> dict[str, dict[str, float | None]]:
    """Recording id -> measure -> its value in that recording alone, where it has one."""
    found: dict[str, dict[str, float | None]] = {key: {} for key in store.ids}
    for measure in MEASURES:
        metric = scores.metrics.get(measure.metric)
        if metric is None or not hasattr(metric, "per_recording"):
            continue
        for key, values in metric.per_recording().items():
            found[key][measure.key] = values[measure.score]
    return found


def rank_recordings(
    table: dict[str, dict[str, float | None]], real: dict[str, dict[str, float | None]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Recordings from best to worst, by the mean of their ranks in the measures of RANKED.

    Args:
        table: recording id -> measure -> value.
        real: the same of the real motion.

    Returns:
        Rows of id, rank (0 best to 1 worst) and the number of measures that took part; and these measures.
    """
    places: dict[str, list[float]] = {key: [] for key in table}
    ranked_by = []
    for measure in (measure for measure in MEASURES if measure.key in RANKED):
        name = measure.key
        distance = {key: badness(measure, row.get(name), real.get(key, {}).get(name)) for key, row in table.items()}
        known = sorted((key for key in table if distance[key] is not None), key=lambda key: (distance[key], key))
        if len(known) < 2 or distance[known[0]] == distance[known[-1]]:
            continue
        ranked_by.append(name)
        for place, key in enumerate(known):
            places[key].append(place / (len(known) - 1))
    rows = [
        {"id": key, "rank": float(np.mean(found)), "num_measures": len(found)} for key, found in places.items() if found
    ]
    return sorted(rows, key=lambda row: (row["rank"], row["id"])), ranked_by
