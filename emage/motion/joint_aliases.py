"""Joint names of other systems' files mapped to BEAT's: which joint of a file is the right forearm?

Read are BEAT's two spellings, those of Mixamo and MotionBuilder (`mixamorig:RightForeArm`), SMPL-X (`right_elbow`), Unreal
(`lowerarm_r`), 3ds Max (`Bip01 R Forearm`), Unity and VRM (`Right Lower Arm`, `RightIndexProximal`), VRoid
(`J_Bip_R_LowerArm`), Rokoko, Xsens, Blender (`forearm.R`, also duplicates such as `Head.001`), DAZ (`rForeArm`), Character
Creator and the GENEA files (`b_r_forearm`). A name is taken apart into a side and a part of the body; where a name alone
is ambiguous (SMPL-X's `left_shoulder` is the upper arm, Mixamo's `LeftShoulder` the collar bone), the other names of the
file decide. Joints of spine and neck are mapped in their order along the hierarchy, whatever their numbers.
"""

import re
from collections import Counter
from collections.abc import Sequence

from emage.motion.skeleton import BEAT_JOINTS, canonical_name

ROOT, HEAD = BEAT_JOINTS[0], "Head"
_PREFIX = re.compile(
    r"^(?:.*[:|]|mixamorig\d*_?|valvebiped\.|bip\d+[ _]*|b_|cc_base_|character\d*_|def-|org-|j_bip_(?:c_)?)", re.I
)
_DUPLICATE = re.compile(r"\.\d{3}$")  # what Blender adds to a name that is taken
_SIDES = {
    **dict.fromkeys(("left", "l", "lft"), "Left"),
    **dict.fromkeys(("right", "r", "rgt"), "Right"),
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_FINGER = re.compile(
    r"^(?:f|finger|hand)?(?P<in>in(?:hand))?(?P<finger>thumb|index|middle|mid|ring|pinky|pinkie|little)(?:finger)?"
    r"(?P<number>\d*)(?P<bone>metacarpal|proximal|intermediate|medial|middle|distal|tip|end|nub)?\d?$"
)
_NUMBERED_FINGER = re.compile(  # 3ds Max: Finger0, Finger01 (thumb), Finger1; Rokoko: Finger1Metacarpal (thumb)
    r"^finger(?P<finger>[0-5])(?P<number>[0-3]?)(?P<bone>metacarpal|proximal|intermediate|medial|distal|tip)?$"
)
_FINGERS = {"mid": "Middle", "pinkie": "Pinky", "little": "Pinky"}
_FINGER_ORDER = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_BONES = {
    "metacarpal": "",
    "proximal": "1",
    **dict.fromkeys(("intermediate", "medial", "middle"), "2"),
    "distal": "3",
    **dict.fromkeys(("tip", "end", "nub"), "4"),
}
_BONES_OF_THUMB = {**_BONES, "metacarpal": "1", "proximal": "2"}  # with a metacarpal, the intermediate bone is missing

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
    **dict.fromkeys(("hips", "hip", "pelvis"), ROOT),
    "head": HEAD,
    **dict.fromkeys(("headend", "headtopend", "headtop", "headnub"), "HeadEnd"),
}
_CHAINS = (
    (("Spine", "Spine1", "Spine2", "Spine3"),
     re.compile(r"^(?:(?:lower|mid|upper)?(?:spine|chest|torso|abdomen)(?:lower|mid|upper)?\d*|waist|thorax|ribcage)$")),
    (("Neck", "Neck1"), re.compile(r"^neck(?:lower|upper|twist)?\d*$")),
)  # fmt: skip
_XSENS_SPINE = {"l5", "l3", "t12", "t8"}  # vertebrae, not left joints
_RIGIFY_SPINE = (ROOT, "Spine", "Spine1", "Spine2", "Neck", "Neck1", HEAD)  # spine, spine.001 ... spine.006


def beat_names(names: Sequence[str], parents: Sequence[int] | None = None) -> dict[int, str]:
    """Which joints of a file BEAT has too.

    Args:
        names: joints of a file, parents before their children.
        parents: index of each joint's parent; joints of spine and neck are then looked for below the head only.

    Returns:
        Index of a joint -> its name in BEAT's BVH spelling. Of several joints that would be one, the first is taken.
    """
    names = _cleaned(names)
    own = [canonical_name(name) for name in names]
    is_beat = sum(name in BEAT_JOINTS for name in own) * 2 > len(BEAT_JOINTS)  # in either of its spellings
    parts = [_side_and_part(name) for name in names]
    found = {place: name for place, name in enumerate(own) if is_beat and name in BEAT_JOINTS}
    aliases = {place: _joint(name, parts[place], parts) for place, name in enumerate(own) if place not in found}
    exact = set(found.values())
    found |= {place: name for place, name in aliases.items() if name in BEAT_JOINTS and name not in exact}
    if ROOT not in found.values():
        found |= {place: ROOT for place, part in enumerate(parts) if part == ("", "root")}
    found = _first(found)
    if ROOT not in found.values() and parents is not None:  # 3ds Max: Bip01 itself
        above = {parents[place] for place, name in found.items() if name in ("LeftUpLeg", "RightUpLeg")}
        found |= {place: ROOT for place in above if len(above) == 1 and place >= 0 and place not in found}
    below_head = _below(HEAD, found, parents)
    for chain, pattern in _CHAINS:
        places = [place for place, (side, part) in enumerate(parts) if not side and pattern.match(part)]
        places = [place for place in places if below_head is None or place in below_head]
        if not places:
            continue
        found = {place: name for place, name in found.items() if name not in chain}
        found |= _in_order(places, [own[place] for place in places], chain, found)
    return dict(sorted(_first(found).items()))


def joint_names(names: Sequence[str], parents: Sequence[int] | None = None) -> tuple[str, ...]:
    """Names of a file's joints, in BEAT's spelling where BEAT has the joint, and in the file's where not."""
    found = beat_names(names, parents)
    taken = set(found.values())
    return tuple(found.get(place, f"{name} (file)" if name in taken else name) for place, name in enumerate(names))


def _cleaned(names: Sequence[str]) -> list[str]:
    """Without name spaces, prefixes of rigs, and Blender's `.001` where it numbers no chain of joints."""
    names = [name.strip() for name in names]
    stems = Counter(_DUPLICATE.sub("", name) for name in names)
    names = [_DUPLICATE.sub("", name) if stems[_DUPLICATE.sub("", name)] == 1 else name for name in names]
    for _ in range(3):  # a name space before a prefix
        names = [_PREFIX.sub("", name) or name for name in names]
    return names


def _first(found: dict[int, str]) -> dict[int, str]:
    """Without the joints whose name another one before them has."""
    taken: dict[str, int] = {}
    for place in sorted(found):
        taken.setdefault(found[place], place)
    return {place: name for name, place in taken.items()}


def _below(name: str, found: dict[int, str], parents: Sequence[int] | None) -> set[int] | None:
    """Joints between a joint and the root of the tree; None if that is not known."""
    place = next((place for place, known in found.items() if known == name), None)
    if place is None or parents is None:
        return None
    path: set[int] = set()
    while place >= 0:
        path.add(place)
        place = parents[place]
    return path


def _in_order(places: list[int], own: list[str], chain: tuple[str, ...], found: dict[int, str]) -> dict[int, str]:
    """Joints of the spine or the neck by their order along the hierarchy; names that are BEAT's own stay."""
    if chain[0] in own and set(own) <= set(chain):
        return dict(zip(places, own, strict=True))
    if len(places) == len(_RIGIFY_SPINE) and not {ROOT, HEAD} & set(found.values()):
        return dict(zip(places, _RIGIFY_SPINE, strict=True))
    return dict(zip(places, chain, strict=False))


def _side_and_part(name: str) -> tuple[str, str]:
    """`LeftForeArm` -> ("Left", "forearm"), `spine_01` -> ("", "spine1")."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if "".join(words) in _XSENS_SPINE:
        return "", "spine"
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
    if words[:1] == ["finger"]:  # Finger01 is the second bone of Finger0
        return side, "".join(words) if words[1:] and words[1].isdecimal() else _joined(words)
    return side, _joined(words)


def _joined(words: list[str]) -> str:
    return "".join(str(int(word)) if word.isdecimal() else word for word in words)


def _joint(own: str, part: tuple[str, str], parts: Sequence[tuple[str, str]]) -> str:
    """BEAT's name of a joint outside of spine and neck; "" where it has none."""
    side, part = part
    if own in BEAT_JOINTS and part != "shoulder":  # whatever BEAT itself calls so
        return own
    return _limb(side, part, parts) if side else _TRUNK.get(part, "")


def _limb(side: str, part: str, parts: Sequence[tuple[str, str]]) -> str:
    limbs = {other for known_side, other in parts if known_side}
    finger = _FINGER.match(part)
    if finger:
        name = _FINGERS.get(finger["finger"], finger["finger"].capitalize())
        has_metacarpal = f"{finger['finger']}metacarpal" in limbs
        return _finger_joint(
            side, name, finger["number"], "metacarpal" if finger["in"] else finger["bone"], has_metacarpal
        )
    finger = _NUMBERED_FINGER.match(part)
    if finger:
        counts_from = 0 if "finger0" in limbs else 1
        place = int(finger["finger"]) - counts_from
        if not 0 <= place < len(_FINGER_ORDER):
            return ""
        number = str(int(finger["number"] or counts_from) + 1 - counts_from)
        return _finger_joint(side, _FINGER_ORDER[place], number, finger["bone"], "finger1metacarpal" in limbs)
    if part == "shoulder" and limbs & _COLLARS:
        return f"{side}Arm"
    if part == "foot" and limbs & _ANKLES:
        return f"{side}ToeBase"
    if part not in _LIMBS and part.endswith("1"):  # MakeHuman: upperarm01 and upperarm02 are one bone
        part = part[:-1]
    return side + _LIMBS[part] if part in _LIMBS else ""


def _finger_joint(side: str, finger: str, number: str, bone: str | None, has_metacarpal: bool) -> str:
    if bone is not None:
        bones = _BONES_OF_THUMB if finger == "Thumb" and has_metacarpal else _BONES
        number = bones[bone]
    return f"{side}Hand{finger}{number}"
