"""Joint names of other systems' files brought to BEAT's: which joint of a file is the right forearm?

Read are BEAT's two spellings, those of Mixamo and MotionBuilder (`mixamorig:RightForeArm`), SMPL-X (`right_elbow`), Unreal
(`lowerarm_r`), 3ds Max (`Bip01 R Forearm`), the GENEA files (`b_r_forearm`), Xsens and DAZ (`rForeArm`). A name is taken
apart into a side and a part of the body; what cannot be told apart alone (SMPL-X's `left_shoulder` is the upper arm,
Mixamo's `LeftShoulder` the collar bone) is told by the other names of the file.
"""

import re
from collections.abc import Iterable, Sequence

from emage.motion.skeleton import BEAT_JOINTS, canonical_name

ROOT = BEAT_JOINTS[0]
_PREFIX = re.compile(r"^(?:.*[:|]|mixamorig\d*_?|bip\d+[ _]*|b_|cc_base_|character\d*_|def-|j_bip_)", re.I)
_SIDES = {"left": "Left", "l": "Left", "right": "Right", "r": "Right"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_FINGER = re.compile(r"^(?:hand)?(thumb|index|middle|mid|ring|pinky|pinkie|little)(?:finger)?(\d*)$")
_FINGERS = {"mid": "Middle", "pinkie": "Pinky", "little": "Pinky"}
_LIMBS = {
    **dict.fromkeys(("clavicle", "collar", "collarbone", "shoulder"), "Shoulder"),
    **dict.fromkeys(("arm", "upperarm", "uparm", "shldr", "humerus"), "Arm"),
    **dict.fromkeys(("forearm", "lowerarm", "lowarm", "elbow", "radius"), "ForeArm"),
    **dict.fromkeys(("hand", "wrist"), "Hand"),
    **dict.fromkeys(("upleg", "upperleg", "thigh", "hip", "femur"), "UpLeg"),
    **dict.fromkeys(("leg", "lowerleg", "lowleg", "calf", "shin", "knee", "tibia"), "Leg"),
    **dict.fromkeys(("foot", "ankle"), "Foot"),
    **dict.fromkeys(("toe", "toe0", "toes", "toebase", "ball"), "ToeBase"),
}
_COLLARS, _ANKLES = {"clavicle", "collar", "collarbone"}, {"ankle"}
_TRUNK = {
    **dict.fromkeys(("hips", "hip", "pelvis"), "Hips"),
    **dict.fromkeys(("spine", "spine0", "chest", "abdomen", "torso", "chest0"), "Spine"),
    **dict.fromkeys(("neck", "neck0"), "Neck"),
    "head": "Head",
    **dict.fromkeys(("headend", "headtopend", "headtop", "headnub"), "HeadEnd"),
}
_NUMBERED = re.compile(r"^(spine|chest|neck)(\d+)$")


def beat_names(names: Sequence[str]) -> dict[int, str]:
    """Which joints of a file BEAT has too.

    Args:
        names: joints of a file, parents before their children.

    Returns:
        Index of a joint -> its name in BEAT's BVH spelling. Of several joints that would be one, the first is taken.
    """
    names = [_PREFIX.sub("", name.strip()) for name in names]
    own = [canonical_name(name) for name in names]
    if sum(name in BEAT_JOINTS for name in own) * 2 > len(BEAT_JOINTS):  # a file of BEAT's, in either of its spellings
        return _first({place: name for place, name in enumerate(own) if name in BEAT_JOINTS})
    parts = [_side_and_part(name) for name in names]
    limbs = {part for side, part in parts if side}
    found: dict[int, str] = {}
    for place, (side, part) in enumerate(parts):
        name = _limb(side, part, limbs) if side else _TRUNK.get(part)
        if own[place] in BEAT_JOINTS and part != "shoulder":  # whatever BEAT itself calls so
            name = own[place]
        if name in BEAT_JOINTS:
            found[place] = name
    if ROOT not in found.values():
        found |= {place: ROOT for place, part in enumerate(parts) if part == ("", "root")}
    trunk = {part: place for place, (side, part) in enumerate(parts) if not side and place not in found}
    numbers = {part: place for part, place in trunk.items() if _NUMBERED.match(part)}
    return _first(found | _numbered(numbers, set(found.values())))


def _first(found: dict[int, str]) -> dict[int, str]:
    """Without the joints whose name another one before them has."""
    taken: dict[str, int] = {}
    for place in sorted(found):
        taken.setdefault(found[place], place)
    return {place: name for name, place in taken.items()}


def _side_and_part(name: str) -> tuple[str, str]:
    """`LeftForeArm` -> ("Left", "forearm"), `spine_01` -> ("", "spine1")."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if len(words) > 1 and words[0] in _SIDES:
        side, words = _SIDES[words[0]], words[1:]
    elif len(words) > 1 and words[-1] in _SIDES:
        side, words = _SIDES[words[-1]], words[:-1]
    else:
        side = ""
        for long in ("left", "right"):  # leftforearm, all in small letters
            if name.lower().startswith(long) and len(name) > len(long):
                side, words = _SIDES[long], [word.lower() for word in _WORDS.findall(name[len(long) :])]
                break
    if side and len(words) == 2 and words[0] in ("arm", "leg") and words[1] in ("twist", "roll"):
        return side, ""
    return side, "".join(str(int(word)) if word.isdecimal() else word for word in words)


def _limb(side: str, part: str, limbs: Iterable[str]) -> str:
    """Name of a joint of an arm or a leg; "" where BEAT has none."""
    limbs = set(limbs)
    finger = _FINGER.match(part)
    if finger:
        kind, number = finger.groups()
        return f"{side}Hand{_FINGERS.get(kind, kind.capitalize())}{number}"
    if part == "shoulder" and limbs & _COLLARS:
        return f"{side}Arm"
    if part == "foot" and limbs & _ANKLES:
        return f"{side}ToeBase"
    return side + _LIMBS[part] if part in _LIMBS else ""


def _numbered(numbers: dict[str, int], known: set[str]) -> dict[int, str]:
    """Spine and neck joints by their numbers, which count from 0, 1 or from a joint without one."""
    found: dict[int, str] = {}
    for trunk, names in (("Spine", ("Spine", "Spine1", "Spine2", "Spine3")), ("Neck", ("Neck", "Neck1"))):
        parts = [part for part in numbers if _NUMBERED.match(part).group(1) == trunk.lower()]
        parts = [part for part in parts if part not in _TRUNK]  # spine0 is known already
        free = [name for name in names if name not in known]
        for part, name in zip(sorted(parts, key=lambda p: int(_NUMBERED.match(p).group(2))), free, strict=False):
            found[numbers[part]] = name
    return found
