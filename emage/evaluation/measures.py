"""The numbers of a report: what each is called, in which unit, where it should lie, and which metric gives it."""

from dataclasses import dataclass

from emage.metrics.face import CHANNEL_GROUPS
from emage.metrics.kinematics import DERIVATIVES, PERCENTILES

# Where a value should lie: low, high, as the real motion's, at 1 (a ratio), at 0 (a lag), or nowhere in particular.
DOWN, UP, REAL, ONE, ZERO, NONE = "down", "up", "real", "one", "zero", "none"
_UNITS = {"speed": "cm/s", "acceleration": "cm/s²", "jerk": "cm/s³"}
_UNIT_NAMES = {"speed": "cm_s", "acceleration": "cm_s2", "jerk": "cm_s3"}


@dataclass(frozen=True)
class Measure:
    """One number of a report.

    Attributes:
        key: its name in metrics.json.
        label: for people.
        group: heading that it stands under.
        metric: name of the metric object that gives it.
        score: which of its scores it is.
        unit: of the value; "" for a pure number.
        better: where it should lie: down, up, real, one, zero, none.
    """

    key: str
    label: str
    group: str
    metric: str
    score: str
    unit: str
    better: str


def _beats(metric: str, variant: str) -> tuple[Measure, ...]:
    group = "Beat alignment"
    return (
        Measure(metric, f"beat alignment, {variant}", group, metric, "beat_align", "", REAL),
        Measure(f"{metric}_excess", f"beat alignment over its chance, {variant}", group, metric, "excess_over_shifted", "", UP),
    )  # fmt: skip


def _kinematics() -> tuple[Measure, ...]:
    kinds = {"mean": "mean", **{f"p{p}": f"percentile {p}" for p in PERCENTILES}}
    rows = [
        Measure(f"{name}_{kind}", f"{name}, {text}", "Kinematics", "kinematics", f"{name}_{kind}_{_UNIT_NAMES[name]}",
                _UNITS[name], REAL)
        for name in DERIVATIVES
        for kind, text in kinds.items()
    ]  # fmt: skip
    return tuple(rows)


def _face_errors() -> tuple[Measure, ...]:
    names = {"mae": "face MAE", "rmse": "face RMSE"}
    return tuple(
        Measure(f"face_{kind}_{group}", f"{names[kind]}, {group.replace('_', ' and ')}", "Face", "face",
                f"{kind}_{group}", "weight", DOWN)
        for group in ("all", *(name for name in CHANNEL_GROUPS if name != "all"))
        for kind in names
    )  # fmt: skip


MEASURES: tuple[Measure, ...] = (
    Measure("fgd_network", "FGD, features of the network", "Distance", "fgd_network", "fgd", "", DOWN),
    Measure("fgd_rot6d", "FGD, rotations (rot6d windows)", "Distance", "fgd_rot6d", "fgd", "", DOWN),
    Measure("fgd_raw", "FGD, raw (position windows)", "Distance", "fgd_raw", "fgd", "cm²", DOWN),
    *_beats("beat_align", "corrected"),
    *_beats("beat_align_emage2024", "emage2024"),
    *_beats("beat_align_beat2022", "beat2022"),
    Measure("srgr", "SRGR, corrected", "Meaning", "srgr", "srgr", "", UP),
    Measure("srgr_beat2022", "SRGR, beat2022", "Meaning", "srgr_beat2022", "srgr", "", UP),
    Measure("l1_diversity", "L1 diversity, corrected", "Diversity", "l1_diversity", "l1_diversity", "cm", REAL),
    Measure("l1_diversity_beat2022", "L1 diversity, beat2022", "Diversity", "l1_diversity_beat2022", "l1_diversity",
            "degrees × columns", REAL),
    Measure("pairwise_diversity", "pairwise diversity", "Diversity", "pairwise_diversity", "pairwise_diversity", "cm", REAL),
    Measure("multimodality", "multimodality over seeds", "Diversity", "multimodality", "multimodality", "cm", NONE),
    *_kinematics(),
    Measure("hellinger", "Hellinger distance of speeds", "Kinematics", "kinematics", "hellinger", "", DOWN),
    Measure("cca", "canonical correlation, corrected", "Kinematics", "cca", "cca", "", UP),
    Measure("foot_sliding", "foot sliding", "Feet and seams", "feet", "foot_sliding_cm_s", "cm/s", DOWN),
    Measure("foot_contact", "share of feet in contact", "Feet and seams", "feet", "contact_share", "", REAL),
    Measure("floor_penetration", "floor penetration", "Feet and seams", "feet", "floor_penetration_cm", "cm", DOWN),
    Measure("seam_score", "jump at seams over inside", "Feet and seams", "seams", "seam_score", "", ONE),
    *_face_errors(),
    Measure("face_mse", "face MSE, all", "Face", "face", "mse", "weight²", DOWN),
    Measure("face_lvd", "face LVD, corrected", "Face", "face", "lvd_per_s", "weight/s", DOWN),
    Measure("face_lvd_emage2024", "face LVD, emage2024", "Face", "face", "lvd_emage2024", "weight", DOWN),
    Measure("jaw_open_correlation", "jawOpen, correlation", "Face", "face", "jaw_open_correlation", "", UP),
    Measure("jaw_open_lag", "jawOpen, lag", "Face", "face", "jaw_open_lag_s", "s", ZERO),
    Measure("lip_closure_f1", "lip closure at p, b, m: F1", "Face", "face", "lip_closure_f1", "", UP),
    Measure("lip_closure_precision", "lip closure: precision", "Face", "face", "lip_closure_precision", "", UP),
    Measure("lip_closure_recall", "lip closure: recall", "Face", "face", "lip_closure_recall", "", UP),
)  # fmt: skip


def badness(measure: Measure, value: float | None, real: float | None) -> float | None:
    """How far a value is from where it should be; None where that cannot be said."""
    if value is None or measure.better == NONE:
        return None
    if measure.better in (DOWN, UP):
        return value if measure.better == DOWN else -value
    aim = {REAL: real, ONE: 1.0, ZERO: 0.0}[measure.better]
    return None if aim is None else abs(value - aim)
