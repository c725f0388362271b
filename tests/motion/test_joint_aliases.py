import pytest

from emage.metrics.beat_published import SMPLX_BODY
from emage.motion.joint_aliases import beat_names, joint_names
from emage.motion.skeleton import BEAT_JOINTS, SHORT_NAMES


def known(names: str | list[str]) -> dict[str, str]:
    names = names.split() if isinstance(names, str) else names
    return {names[place]: name for place, name in beat_names(names).items()}


@pytest.mark.parametrize("spelling", [BEAT_JOINTS, tuple(SHORT_NAMES.values())])
def test_both_spellings_of_beat_keep_all_joints(spelling):
    assert list(beat_names(spelling).values()) == list(BEAT_JOINTS)


def test_mixamo_and_motionbuilder():
    names = "Hips Spine Spine1 Spine2 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand LeftHandThumb1 RightUpLeg RightToeBase"
    assert known([f"mixamorig:{name}" for name in names.split()]) == {f"mixamorig:{n}": n for n in names.split()}
    assert known([f"mixamorig9:{name}" for name in names.split()]) == {f"mixamorig9:{n}": n for n in names.split()}
    assert known("rig:LeftForeFoot rig:LHandM1") == {
        "rig:LeftForeFoot": "LeftForeFoot",
        "rig:LHandM1": "LeftHandMiddle1",
    }
    assert known("mixamorig:HeadTop_End mixamorig:LeftToe_End") == {"mixamorig:HeadTop_End": "HeadEnd"}


def test_smplx_shoulders_are_upper_arms_and_its_feet_are_toes():
    found = known([*SMPLX_BODY, "jaw", "left_eye_smplhf", "left_index1", "right_pinky3"])
    assert len(found) == len(SMPLX_BODY) + 2
    assert (found["left_collar"], found["left_shoulder"]) == ("LeftShoulder", "LeftArm")
    assert (found["right_ankle"], found["right_foot"]) == ("RightFoot", "RightToeBase")
    assert (found["pelvis"], found["spine3"], found["left_index1"]) == ("Hips", "Spine2", "LeftHandIndex1")


@pytest.mark.parametrize(
    "names, expected",
    [
        ("root pelvis spine_01 spine_02 clavicle_l upperarm_l lowerarm_l lowerarm_twist_01_l hand_l index_01_l thigh_r ball_r",
         "- Hips Spine Spine1 LeftShoulder LeftArm LeftForeArm - LeftHand LeftHandIndex1 RightUpLeg RightToeBase"),
        ("body_world b_root b_spine0 b_spine1 b_l_arm b_l_arm_twist b_l_forearm b_r_wrist b_neck0 b_head",
         "- Hips Spine Spine1 LeftArm - LeftForeArm RightHand Neck Head"),
        ("hip abdomen rCollar rShldr rForeArm rHand rThumb1 lThigh lShin lFoot",
         "Hips Spine RightShoulder RightArm RightForeArm RightHand RightHandThumb1 LeftUpLeg LeftLeg LeftFoot"),
        ("Hips Chest RightCollar RightShoulder RightElbow RightWrist LeftHip LeftKnee LeftAnkle LeftToe",
         "Hips Spine RightShoulder RightArm RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToeBase"),
        ("spine spine.001 shoulder.L upper_arm.L forearm.L hand.L thigh.R shin.R",
         "Spine Spine1 LeftShoulder LeftArm LeftForeArm LeftHand RightUpLeg RightLeg"),
        ("Hips LHipJoint Spine RArm1 RHandM1 LFootF", "Hips - Spine RightForeArm RightHandMiddle1 LeftForeFoot"),
    ],
)  # fmt: skip
def test_spellings_of_other_systems(names, expected):
    found = known(names)
    assert [found.get(name, "-") for name in names.split()] == expected.split()


def test_biped_names_with_blanks():
    names = ["Bip01", "Bip01 Pelvis", "Bip01 L UpperArm", "Bip01 L Forearm", "Bip01 R Calf", "Bip01 R Toe0"]
    assert list(known(names).values()) == ["Hips", "LeftArm", "LeftForeArm", "RightLeg", "RightToeBase"]


def test_a_joint_that_comes_twice_is_taken_once_and_strangers_are_left():
    assert beat_names(["Hips", "pelvis", "LeftHand", "hand_l", "tail", "prop"]) == {0: "Hips", 2: "LeftHand"}
    assert beat_names([]) == {}


def chain(names: str) -> list[int]:
    """Parents of joints that hang in one line."""
    return list(range(-1, len(names.split()) - 1))


@pytest.mark.parametrize(
    "names, expected",
    [
        ("Hips Spine1 Spine2 Spine3 Spine4 Neck Head", "Hips Spine Spine1 Spine2 Spine3 Neck Head"),  # Rokoko
        ("Hips Spine Spine1 Spine2 Neck Head", "Hips Spine Spine1 Spine2 Neck Head"),  # Mixamo
        ("Hips Spine Chest UpperChest Neck Head", "Hips Spine Spine1 Spine2 Neck Head"),  # Unity, VRM
        ("Hips Chest Chest2 Chest3 Chest4 Neck Head", "Hips Spine Spine1 Spine2 Spine3 Neck Head"),  # Xsens BVH
        ("Pelvis L5 L3 T12 T8 Neck Head", "Hips Spine Spine1 Spine2 Spine3 Neck Head"),  # Xsens FBX
        ("hip abdomenLower abdomenUpper chestLower chestUpper neckLower neckUpper head",
         "Hips Spine Spine1 Spine2 Spine3 Neck Neck1 Head"),  # DAZ Genesis 8
        ("Hips LowerBack Spine Spine1 Neck Neck1 Head", "Hips - Spine Spine1 Neck Neck1 Head"),  # CMU
        ("root spine05 spine04 spine03 spine02 neck01 neck02 head", "Hips Spine Spine1 Spine2 Spine3 Neck Neck1 Head"),
        ("pelvis spine_01 spine_02 spine_03 spine_04 spine_05 neck_01 neck_02 head",
         "Hips Spine Spine1 Spine2 Spine3 - Neck Neck1 Head"),  # Unreal 5
        ("spine spine.001 spine.002 spine.003 spine.004 spine.005 spine.006",
         "Hips Spine Spine1 Spine2 Neck Neck1 Head"),  # Rigify
        ("CC_Base_Hip CC_Base_Waist CC_Base_Spine01 CC_Base_Spine02 CC_Base_NeckTwist01 CC_Base_Head",
         "Hips Spine Spine1 Spine2 Neck Head"),
        ("J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head J_Sec_Hair1_01",
         "Hips Spine Spine1 Spine2 Neck Head -"),
    ],
)  # fmt: skip
def test_spine_and_neck_keep_their_order_along_the_hierarchy(names, expected):
    found = beat_names(names.split(), chain(names))
    assert [found.get(place, "-") for place in range(len(names.split()))] == expected.split()


def test_a_spine_joint_beside_the_way_to_the_head_is_none():
    names = ["Hips", "Spine_prop", "Spine1", "Spine2", "Head", "Spine3"]
    assert beat_names(names, [-1, 0, 0, 2, 3, 4]) == {0: "Hips", 2: "Spine", 3: "Spine1", 4: "Head"}


def test_rokoko_with_all_other_names_as_in_beat():
    """More than half of the names are BEAT's, but its spine is not."""
    names = [name for name in BEAT_JOINTS if name not in ("Spine", "Neck1")]
    names.insert(names.index("Spine3") + 1, "Spine4")
    found = known(names)
    assert [found[f"Spine{number}"] for number in (1, 2, 3, 4)] == ["Spine", "Spine1", "Spine2", "Spine3"]
    assert all(found[name] == name for name in names if not name.startswith("Spine"))


LEFT_LIMBS = "LeftShoulder LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToeBase".split()


@pytest.mark.parametrize(
    "names",
    [
        "J_Bip_L_{Shoulder,UpperArm,LowerArm,Hand,UpperLeg,LowerLeg,Foot,ToeBase}",  # VRoid
        "Left {Shoulder,Upper Arm,Lower Arm,Hand,Upper Leg,Lower Leg,Foot,Toes}",  # Unity
        "left{Shoulder,UpperArm,LowerArm,Hand,UpperLeg,LowerLeg,Foot,Toes}",  # VRM 1.0
        "Left{Shoulder,Arm,ForeArm,Hand,Thigh,Shin,Foot,Toe}",  # Rokoko
        "Left{Collar,Shoulder,Elbow,Wrist,Hip,Knee,Ankle,Toe}",  # Xsens
        "Armature|mixamorig1:Left{Shoulder,Arm,ForeArm,Hand,UpLeg,Leg,Foot,ToeBase}",
        "mixamorig_Left{Shoulder,Arm,ForeArm,Hand,UpLeg,Leg,Foot,ToeBase}",
        "Left{Shoulder,Arm,ForeArm,Hand,UpLeg,Leg,Foot,ToeBase}.001",  # a duplicate in Blender
        "{shoulder,upper_arm,forearm,hand,thigh,shin,foot,toe}.L",  # Rigify
        "{clavicle,upperarm01,lowerarm01,wrist,upperleg01,lowerleg01,foot,toe1-1}.L",  # MakeHuman; its toes are strangers
        "ValveBiped.Bip01_L_{Clavicle,UpperArm,Forearm,Hand,Thigh,Calf,Foot,Toe0}",
        "CC_Base_L_{Clavicle,Upperarm,Forearm,Hand,Thigh,Calf,Foot,ToeBase}",
    ],
)
def test_limbs_of_other_systems(names):
    before, rest = names.split("{")
    joints, after = rest.split("}")
    found = known(["Hips", *(f"{before}{joint}{after}" for joint in joints.split(","))])
    expected = LEFT_LIMBS[: 7 if "toe1" in names else 8]
    assert list(found.values()) == ["Hips", *expected]


@pytest.mark.parametrize(
    "names, expected",
    [
        ("LeftThumb{Proximal,Intermediate,Distal}", "Thumb1 Thumb2 Thumb3"),  # Unity, VRM 0
        ("Left Thumb {Proximal,Intermediate,Distal}", "Thumb1 Thumb2 Thumb3"),
        ("leftThumb{Metacarpal,Proximal,Distal}", "Thumb1 Thumb2 Thumb3"),  # VRM 1.0
        ("Left Little {Proximal,Intermediate,Distal}", "Pinky1 Pinky2 Pinky3"),
        ("LeftMiddle{Proximal,Intermediate,Distal}", "Middle1 Middle2 Middle3"),
        ("J_Bip_L_Little{1,2,3}", "Pinky1 Pinky2 Pinky3"),
        ("LeftFinger1{Metacarpal,Proximal,Distal,Tip}", "Thumb1 Thumb2 Thumb3 Thumb4"),  # Rokoko
        ("LeftFinger2{Metacarpal,Proximal,Medial,Distal,Tip}", "Index Index1 Index2 Index3 Index4"),
        ("index_{metacarpal,01,02,03}_l", "Index Index1 Index2 Index3"),  # Unreal
        ("f_ring.{01,02,03}.L", "Ring1 Ring2 Ring3"),  # Rigify
        ("Left{InHandIndex,HandIndex1,HandIndex2,HandIndex3}", "Index Index1 Index2 Index3"),  # Perception Neuron
        ("finger5-{1,2,3}.L", "Pinky1 Pinky2 Pinky3"),  # MakeHuman
    ],
)
def test_fingers_of_other_systems(names, expected):
    before, rest = names.split("{")
    joints, after = rest.split("}")
    found = known(["LeftHand", *(f"{before}{joint}{after}" for joint in joints.split(","))])
    assert list(found.values())[1:] == [f"LeftHand{name}" for name in expected.split()]


def test_fingers_of_a_biped_count_from_the_thumb():
    names = [f"Bip01 R Finger{number}" for number in ("0", "01", "02", "1", "11", "12", "4", "41", "42")]
    expected = [f"RightHand{finger}{bone}" for finger in ("Thumb", "Index", "Pinky") for bone in (1, 2, 3)]
    assert list(known(names).values()) == expected


def test_a_duplicate_beside_its_original_is_no_joint_of_its_own():
    assert known(["Hips", "Head", "Head.001", "LeftHand.001"]) == {
        "Hips": "Hips",
        "Head": "Head",
        "LeftHand.001": "LeftHand",
    }


def test_names_for_a_whole_file():
    names = ["mixamorig:Hips", "mixamorig:Head", "Head", "tail"]
    assert joint_names(names, [-1, 0, 1, 0]) == ("Hips", "Head", "Head (file)", "tail")


def test_hips_without_a_known_name_are_what_both_legs_hang_from():
    names = ["World", "Bip01", "Bip01 L Thigh", "Bip01 R Thigh", "Bip01 Spine"]
    assert beat_names(names, [-1, 0, 1, 1, 1]) == {1: "Hips", 2: "LeftUpLeg", 3: "RightUpLeg", 4: "Spine"}
    assert "Hips" not in beat_names(names, [-1, 0, 1, 0, 1]).values()
