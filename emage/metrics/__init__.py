"""Metrics: `update` with one recording at a time, `compute` for the result. Arguments are never altered."""

from typing import Any

from emage.metrics.beat_align import BeatAlign
from emage.metrics.fgd import FGD

METRICS: dict[str, Any] = {"fgd": FGD, "beat_align": BeatAlign}

__all__ = ["FGD", "METRICS", "BeatAlign"]
