"""Do the lips close at p, b and m? F1 of the closures of an ARKit face at the bilabials of the speech.

Lips are closed while their aperture (from the channels that open and close them) is below a threshold that the real
face's own bilabials give. Recall counts bilabials: one is met if the lips are closed at some frame of it. Precision
counts frames: of all in which the lips are closed while speech sounds, those at a bilabial; so a mouth that never opens
gains nothing. Frames at f, v and w, where real lips nearly close, and pauses are left out of the precision.

Shapes: T frames, C channels (51 or 52).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from emage.motion.layout import ARKIT_51
from emage.text import Word

BILABIALS, NEARLY_CLOSED = frozenset("PBM"), frozenset("FVW")
TOLERANCE_S = 0.05  # lips close before the sound and open after it
CLOSED_SHARE = 0.25  # the threshold lies that far from the aperture at bilabials to that of the other sounds
CLOSED_APERTURE = -0.1  # what that is on a real BEAT recording; where there is no real face to ask
_WEIGHTS = {
    "jawOpen": 1.0,
    "mouthClose": -1.0,
    **dict.fromkeys(("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"), 0.25),
    **dict.fromkeys(("mouthRollLower", "mouthRollUpper"), -0.5),
}


def lip_aperture(weights: ArrayLike) -> np.ndarray:
    """How far the lips are apart, (T, 51 or 52) ARKit weights -> (T,); about 0 where they touch, less where pressed.

    jawOpen - mouthClose, + half of each lip's own opening, - half of each lip's roll. On a real BEAT recording it tells
    bilabials from the other sounds with an area under the curve of 0.91, jawOpen alone with 0.86.
    """
    weights = np.asarray(weights, dtype=np.float64)
    return sum(share * weights[:, ARKIT_51.index(name)] for name, share in _WEIGHTS.items())


def phones_within(phones: Sequence[Word], valid: np.ndarray, fps: float) -> tuple[Word, ...]:
    """The phones at which all channels of the lips are valid, valid being (T, 51) bool."""
    known = valid[:, [ARKIT_51.index(name) for name in _WEIGHTS]].all(axis=1)
    if known.all():
        return tuple(phones)
    return tuple(phone for phone in phones if known[_span(phone, len(known), fps, TOLERANCE_S)].all())


def closure_threshold(aperture: ArrayLike, phones: Sequence[Word], fps: float) -> float:
    """Aperture of the real face below which its lips count as closed.

    Args:
        aperture: (T,) of the real face.
        phones: when which phone sounds.
        fps: frames per second.

    Returns:
        A quarter of the way from its median at bilabials to that at other sounds; CLOSED_APERTURE where one is missing.
    """
    aperture = np.asarray(aperture, dtype=np.float64)
    inside, other = _frames(phones, len(aperture), fps, BILABIALS, 0.0), _speech(phones, len(aperture), fps)
    other &= ~_frames(phones, len(aperture), fps, BILABIALS | NEARLY_CLOSED, TOLERANCE_S)
    if not inside.any() or not other.any():
        return CLOSED_APERTURE
    closed, opened = np.median(aperture[inside]), np.median(aperture[other])
    return float(closed + CLOSED_SHARE * (opened - closed))


def lip_closure_f1(weights: ArrayLike, phones: Sequence[Word], fps: float, threshold: float = CLOSED_APERTURE) -> float:
    """F1 of lip closures at bilabials; higher is better.

    Args:
        weights: (T, 51 or 52) ARKit weights.
        phones: when which phone sounds (ARPABET or the like: p, b, m in either case, digits are passed over).
        fps: frames per second.
        threshold: lips with a smaller aperture are closed, see `closure_threshold`.

    Returns:
        From 0 to 1; NaN where no bilabial lies within the motion.
    """
    counts = closure_counts(lip_aperture(weights), phones, fps, threshold=threshold)
    return float(closure_scores({name: np.asarray(value) for name, value in counts.items()})["lip_closure_f1"])


def closure_counts(aperture: ArrayLike, phones: Sequence[Word], fps: float, *, threshold: float) -> dict[str, float]:
    """What one recording adds: bilabials, those met, frames with closed lips, and those of them at a bilabial."""
    aperture = np.asarray(aperture, dtype=np.float64)
    closed = aperture < threshold
    bilabials = [phone for phone in phones if _label(phone) in BILABIALS]
    spans = [
        frames for phone in bilabials if (frames := _span(phone, len(aperture), fps, TOLERANCE_S)).stop > frames.start
    ]
    near = _frames(phones, len(aperture), fps, BILABIALS, TOLERANCE_S)
    counted = _speech(phones, len(aperture), fps)
    counted &= near | ~_frames(phones, len(aperture), fps, NEARLY_CLOSED, TOLERANCE_S)
    return {
        "bilabials": len(spans),
        "bilabials_met": sum(bool(closed[span].any()) for span in spans),
        "closed_frames": float((closed & counted).sum()),
        "closed_at_bilabial": float((closed & counted & near).sum()),
    }


def closure_scores(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """F1, precision and recall of the counts of `closure_counts`; NaN where there are no bilabials."""
    bilabials, closed = np.asarray(sums["bilabials"], float), np.asarray(sums["closed_frames"], float)
    recall = np.where(bilabials > 0, sums["bilabials_met"] / np.maximum(bilabials, 1e-12), np.nan)
    precision = np.where(bilabials > 0, sums["closed_at_bilabial"] / np.maximum(closed, 1e-12), np.nan)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {"lip_closure_f1": f1, "lip_closure_precision": precision, "lip_closure_recall": recall}


def _label(phone: Word) -> str:
    return phone.text.upper().rstrip("0123456789")


def _span(phone: Word, num_frames: int, fps: float, margin_s: float) -> slice:
    """The frames at which a phone sounds; empty for one that ends after the motion."""
    if phone.end_s > num_frames / fps:
        return slice(0, 0)
    start = max(int(np.ceil((phone.start_s - margin_s) * fps)), 0)
    return slice(start, min(int(np.floor((phone.end_s + margin_s) * fps)) + 1, num_frames))


def _frames(phones: Sequence[Word], num_frames: int, fps: float, labels: frozenset[str], margin_s: float) -> np.ndarray:
    """(T,) bool, where one of some phones sounds."""
    frames = np.zeros(num_frames, dtype=bool)
    for phone in phones:
        if _label(phone) in labels:
            frames[_span(phone, num_frames, fps, margin_s)] = True
    return frames


def _speech(phones: Sequence[Word], num_frames: int, fps: float) -> np.ndarray:
    """(T,) bool, where any phone sounds."""
    return _frames(phones, num_frames, fps, frozenset(map(_label, phones)), 0.0)
