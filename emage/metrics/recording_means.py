"""Metrics that are a mean over recordings: each recording has its numbers, and some numbers weigh more than others.

Shapes: R recordings, N resamples, K scores.
"""

from collections.abc import Mapping

import numpy as np

from emage.metrics.recording_sums import RecordingSums, ratio


class RecordingMeans(RecordingSums):
    """Base of such metrics. A subclass names its scores and has an `update` that calls `_add_row`.

    A score that a recording lacks is the mean over the others. An infinite one (the PSNR of equal frames) makes the
    mean infinite, as it should, and not NaN in the resamples that leave it out.
    """

    def _add_row(
        self,
        recording_id: str | None,
        row: Mapping[str, float | None],
        weights: Mapping[str, float] | None = None,
    ) -> dict[str, float | None]:
        """Keeps the scores of one recording, with weights other than 1; returns them."""
        values = np.array([np.nan if row.get(name) is None else row[name] for name in self.score_names], dtype=float)
        weight = np.array([(weights or {}).get(name, 1.0) for name in self.score_names]) * ~np.isnan(values)
        total = np.where(np.isfinite(values), values, 0.0) * weight
        self._add(recording_id, total=total, weight=weight, infinite=np.isinf(values))
        return dict(row)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        means = np.where(sums["infinite"] > 0, np.inf, ratio(sums["total"], sums["weight"]))  # (N, K)
        return dict(zip(self.score_names, means.T, strict=True))
