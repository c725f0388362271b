import pytest

from emage.metrics.beat_published import SMPLX_BODY
from emage.motion.joint_aliases import beat_names
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
