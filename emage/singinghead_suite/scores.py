"""What one method has reached, gathered recording by recording, and its file metric_results/<method>.json."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emage.metrics.confidence import LEVEL, METHOD, intervals
from emage.metrics.recording_means import RecordingMeans
from emage.metrics.singinghead_beats import SingingBeatAlignment
from emage.motion.atomic import write_text_atomic

# In the order of the files. The first are the names of the released 2D code, then those of its 3D code, of which it
# computes all and returns lve_*, ve_*, fdd, meandist_pose, ba_pose and diversity_lmk.
PUBLISHED_2D = ("FID", "PSNR", "SSIM", "CPBD", "LPIPS", "F-LMD", "M-LMD", "BA")
PUBLISHED_3D = (
    *("lve_mean", "lve_min", "ve_mean", "ve_min", "fdd"),
    *("mindist", "meandist", "mindist_pose", "meandist_pose"),
    *("diversity", "diversity_pose", "diversity_lmk", "diversity_verts", "diversity_face"),
    *("ba_lmk", "ba_pose"),
)
CORRECTED_2D = ("fid", "psnr_db", "ssim", "cpbd", "lpips", "f_lmd_px", "m_lmd_px", "beat_alignment_video")
CORRECTED_3D = (
    *("lve_mean_mm", "lve_min_mm", "ve_mean_mm", "ve_min_mm", "fdd_mm2", "fdd_absolute_mm2"),
    *("mindist_pose_deg", "meandist_pose_deg", "diversity_per_frame"),
    *("beat_alignment_landmarks", "beat_alignment_pose"),
)
UNITS = {
    **dict.fromkeys(("PSNR", "psnr_db"), "dB"),
    **dict.fromkeys(("F-LMD", "M-LMD", "f_lmd_px", "m_lmd_px"), "pixels of a frame of image_size"),
    **dict.fromkeys(("lve_mean", "lve_min", "ve_mean", "ve_min", "diversity_lmk", "diversity_verts"), "m"),
    **dict.fromkeys(("diversity_face",), "m"),
    **dict.fromkeys(("lve_mean_mm", "lve_min_mm", "ve_mean_mm", "ve_min_mm"), "mm"),
    **dict.fromkeys(("fdd_mm2", "fdd_absolute_mm2"), "mm^2"),
    "fdd": "m^2",
    **dict.fromkeys(("mindist_pose", "meandist_pose", "diversity_pose"), "rad"),
    **dict.fromkeys(("mindist_pose_deg", "meandist_pose_deg"), "deg"),
}
ORDER = (*PUBLISHED_2D, *CORRECTED_2D, *PUBLISHED_3D, *CORRECTED_3D)
HIGHER_IS_BETTER = ("PSNR", "SSIM", "CPBD", "psnr_db", "ssim", "cpbd")


@dataclass(frozen=True)
class Sound:
    """The sound of a recording in input_audio/.

    Attributes:
        beats: `audio_beat_frames` of it, or None.
        reason: why there are none.
    """

    beats: np.ndarray | None
    reason: str = ""


@dataclass
class MethodScores:
    """The numbers of one method.

    Attributes:
        method: its name.
        settings: what the numbers hang on.
        values: metric -> number, published and corrected names alike.
        chance: of each beat alignment, its chance levels and the excess over them.
        intervals: metric -> its interval, of what is a mean over recordings.
        reasons: metric -> why it has no number.
        per_recording: id -> metric -> its own number.
        not_scored: what was left out of what, and why.
        notices: what was odd without being a fault.
    """

    method: str
    settings: dict[str, Any]
    values: dict[str, float | None] = field(default_factory=dict)
    chance: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    per_recording: dict[str, dict[str, float | None]] = field(default_factory=dict)
    not_scored: list[dict[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def take(self, metric: RecordingMeans) -> None:
        """Enters all scores of a metric, and those of its recordings."""
        result = metric.compute()
        self.values |= {name: result[name] for name in metric.score_names}
        self.intervals |= _intervals(metric, self.settings["seed"])
        for recording, row in metric.per_recording().items():
            self.per_recording.setdefault(recording, {}).update(row)

    def take_beats(self, name: str, metric: SingingBeatAlignment) -> None:
        """Enters a beat alignment under a name of its own, beside its chance levels."""
        result = metric.compute()
        self.values[name] = result["beat_alignment"]
        if result["beat_alignment"] is not None:
            of_beats = _intervals(metric, self.settings["seed"])
            self.intervals[name] = of_beats["beat_alignment"]
            self.chance[name] = {**result, "intervals": of_beats}
        for recording, row in metric.per_recording().items():
            self.per_recording.setdefault(recording, {})[name] = row["beat_alignment"]

    def leave_out(self, recording: str, metrics: str, reason: str) -> None:
        """Notes that a recording does not count in some metrics."""
        self.not_scored.append({"id": recording, "metrics": metrics, "reason": " ".join(reason.split())})

    def without(self, names: tuple[str, ...], reason: str) -> None:
        """Notes why metrics have no number; a reason that stands already is the better one."""
        for name in names:
            self.reasons.setdefault(name, reason)

    def value(self, name: str) -> float | None:
        """A number that json can hold; an infinite one is none, and says so."""
        number = self.values.get(name)
        if number is None or math.isfinite(number):
            return number
        self.reasons[name] = "infinite: some generated frames are the real ones"
        return None

    def report(self) -> dict[str, Any]:
        """All of it as plain values for json."""
        published = {name: self.value(name) for name in (*PUBLISHED_2D, *PUBLISHED_3D)}
        corrected = {name: self.value(name) for name in (*CORRECTED_2D, *CORRECTED_3D)}
        for name, number in {**published, **corrected}.items():
            if number is None:
                self.reasons.setdefault(name, "no recording could be scored (see not_scored)")
            else:
                self.reasons.pop(name, None)
        rows = {
            recording: {name: number for name, number in row.items() if number is not None and math.isfinite(number)}
            for recording, row in sorted(self.per_recording.items())
        }
        return {
            "method": self.method,
            "published": published,
            "corrected": corrected,
            "intervals": {name: row for name, row in self.intervals.items() if self.value(name) is not None},
            "chance": self.chance,
            "reasons": dict(sorted(self.reasons.items())),
            "units": UNITS,
            "interval": {"level": LEVEL, "method": METHOD},
            "settings": self.settings,
            "num_recordings": len(rows),
            "landmarks_found": self.value("landmarks_found"),
            "not_scored": sorted(self.not_scored, key=lambda row: (row["id"], row["metrics"])),
            "notices": self.notices,
            "per_recording": rows,
        }

    def write(self, folder: Path) -> Path:
        """Writes <method>.json; it is there whole or not at all."""
        path = folder / f"{self.method}.json"
        write_text_atomic(path, json.dumps(self.report(), indent=1, allow_nan=False) + "\n")
        return path


def _intervals(metric: RecordingMeans, seed: int) -> dict[str, dict[str, Any]]:
    """Each score's interval over recordings, or why there is none."""
    found = intervals(metric, seed=seed)
    names = ("low", "high", "num_recordings", "reason")
    return {score: {name: getattr(interval, name) for name in names} for score, interval in found.items()}
