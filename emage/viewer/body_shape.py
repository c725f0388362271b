"""How thick a body is: a capsule along each bone, so that a skeleton looks like a person.

Radii are centimetres of a person of 170 cm and grow with the height. A joint that BEAT does not know gets a thin bone.
"""

from typing import NamedTuple

from emage.viewer.shown import HEAD_POINTS, USUAL_HEIGHT_CM, Shown

_THIN_CM = 1.6


class Capsule(NamedTuple):
    """Two joints by index and the radius at each, centimetres."""

    first: int
    second: int
    first_radius_cm: float
    second_radius_cm: float


def _limbs(side: str) -> dict[tuple[str, str], tuple[float, float]]:
    rows = {
        ("Spine3", f"{side}Shoulder"): (8.0, 6.6),
        (f"{side}Shoulder", f"{side}Arm"): (6.6, 5.8),
        (f"{side}Arm", f"{side}ForeArm"): (5.3, 4.2),
        (f"{side}ForeArm", f"{side}Hand"): (4.1, 2.9),
        ("Hips", f"{side}UpLeg"): (10.0, 8.8),
        (f"{side}UpLeg", f"{side}Leg"): (8.8, 5.8),
        (f"{side}Leg", f"{side}Foot"): (5.6, 3.9),
        (f"{side}Foot", f"{side}ForeFoot"): (4.0, 3.4),
        (f"{side}ForeFoot", f"{side}ToeBase"): (3.6, 3.2),
        (f"{side}Foot", f"{side}ToeBase"): (4.0, 3.2),
        (f"{side}ToeBase", f"{side}ToeBaseEnd"): (3.2, 2.2),
    }
    for finger in ("Thumb", "Index", "Middle", "Ring", "Pinky"):
        hand, base = f"{side}Hand", f"{side}Hand{finger}"
        slim = 0.85 if finger == "Pinky" else 1.15 if finger == "Thumb" else 1.0
        rows[(hand, base)] = (2.3, 1.7 * slim)
        rows[(hand, f"{base}1")] = (2.3, 1.3 * slim)
        rows[(base, f"{base}1")] = (1.7 * slim, 1.2 * slim)
        rows[(f"{base}1", f"{base}2")] = (1.2 * slim, 1.0 * slim)
        rows[(f"{base}2", f"{base}3")] = (1.0 * slim, 0.9 * slim)
        rows[(f"{base}3", f"{base}4")] = (0.9 * slim, 0.75 * slim)
    return rows


_RADII_CM: dict[tuple[str, str], tuple[float, float]] = {
    ("Hips", "Spine"): (11.0, 10.8),
    ("Spine", "Spine1"): (10.8, 11.0),
    ("Spine1", "Spine2"): (11.0, 12.0),
    ("Spine2", "Spine3"): (12.0, 11.0),
    ("Spine3", "Neck"): (10.0, 5.6),
    ("Neck", "Neck1"): (5.4, 5.2),
    ("Neck1", "Head"): (5.2, 5.4),
    **_limbs("Right"),
    **_limbs("Left"),
}
_NOT_DRAWN = ("HeadEnd",)  # the skull stands there
# No bones, but flesh: the skull, and the sides of the chest from the waist to the shoulders.
_FLESH: dict[tuple[str, str], tuple[float, float]] = {
    ("head low", "head high"): (7.8, 9.2),
    ("head low", "nose"): (3.0, 1.1),
    ("Spine1", "RightShoulder"): (9.6, 7.2),
    ("Spine1", "LeftShoulder"): (9.6, 7.2),
    ("Spine1", "RightArm"): (9.4, 5.0),
    ("Spine1", "LeftArm"): (9.4, 5.0),
}


def capsules(shown: Shown) -> list[Capsule]:
    """The capsules of a person: one a bone, and those of _FLESH."""
    scale = shown.height_cm / USUAL_HEIGHT_CM
    place = {name: joint for joint, name in enumerate(shown.joints)}
    bones = [(shown.parents[joint], joint) for joint in range(len(shown.joints)) if shown.parents[joint] >= 0]
    bones = [bone for bone in bones if shown.joints[bone[1]] not in (*HEAD_POINTS, *_NOT_DRAWN)]
    bones += [(place[first], place[second]) for first, second in _FLESH if first in place and second in place]
    rows = []
    for first, second in bones:
        radii = (_RADII_CM | _FLESH).get((shown.joints[first], shown.joints[second]), (_THIN_CM, _THIN_CM))
        rows.append(Capsule(first, second, *(round(scale * radius, 2) for radius in radii)))
    return rows
