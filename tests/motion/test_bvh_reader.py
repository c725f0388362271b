"""The spellings that the BVH reader takes, and the faults that it names."""

import pytest
from bvh_text import ARM, assert_same_motion, save

from emage.errors import InputError, InputWarning, collected_warnings
from emage.motion.bvh import read_bvh, write_bvh

# Grammar

VARIANTS = {
    "crlf": lambda t: t.replace("\n", "\r\n"),
    "old mac line ends": lambda t: t.replace("\n", "\r"),
    "byte order mark": lambda t: "\ufeff" + t,
    "utf-16": lambda t: t.encode("utf-16"),
    "no final newline": lambda t: t.rstrip("\n"),
    "end mark of DOS": lambda t: t.replace("\n", "\r\n") + "\x1a",
    "blank lines everywhere": lambda t: "\n  \n" + t.replace("\n", "\n \t\n") + "\n\n",
    "spaces for tabs": lambda t: t.replace("\t", "  "),
    "several spaces and tabs between values": lambda t: t.replace(" 0.0 ", " \t  0.0\t "),
    "trailing blanks": lambda t: t.replace("\n", "  \t\n"),
    "lower case": lambda t: (
        t.replace("Hips", "HIPS").lower().replace("hips", "Hips").replace("arm", "Arm").replace("hand", "Hand")
    ),
    "upper case": lambda t: t.upper().replace("HIPS", "Hips").replace("ARM", "Arm").replace("HAND", "Hand"),
    "brace on the same line": lambda t: (
        t.replace("\n{", " {").replace("\n\t{", "{").replace("\n\t\t{", " {").replace("\n\t\t\t{", " {")
    ),
    "closing braces in a row": lambda t: t.replace("}\n\t\t}\n\t}\n}\n", "} } }}\n"),
    "hierarchy on one line": lambda t: t.split("MOTION")[0].replace("\n", " ") + "\nMOTION" + t.split("MOTION")[1],
    "named end site": lambda t: t.replace("End Site", "End Site Hand_tip"),
    "EndSite": lambda t: t.replace("End Site", "EndSite"),
    "joint without a CHANNELS line": lambda t: t.replace("\t\t\tCHANNELS 0\n", ""),
    "CHANNELS above OFFSET": lambda t: t.replace(
        "\t\tOFFSET 0.0 10.0 0.0\n\t\tCHANNELS 2 Xrotation Yrotation\n",
        "\t\tCHANNELS 2 Xrotation Yrotation\n\t\tOFFSET 0 1e1 0.\n",
    ),
    "Frames with a point": lambda t: t.replace("Frames: 2", "Frames:2.0"),
    "Frames with a tab, no colon": lambda t: t.replace("Frames: 2", "  Frames\t2"),
    "Frame Time with an exponent": lambda t: t.replace("Frame Time: 0.033333", "Frame time :\t3.3333E-2"),
    "Frame Time first": lambda t: t.replace("Frames: 2\nFrame Time: 0.033333", "Frame Time: 0.033333\nFrames: 2"),
    "numbers in other forms": lambda t: t.replace("90.0", "+9.e1").replace("10.0", "1E+1").replace(" 0.0 ", " -.0 "),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_exporter_spelling_reads_as_the_same_motion(tmp_path, variant):
    text = VARIANTS[variant](ARM)
    assert text != ARM, "the variant changes nothing"
    assert_same_motion(read_bvh(save(tmp_path, text)), read_bvh(save(tmp_path, ARM, "plain.bvh")))


@pytest.mark.parametrize("name", ["Bip01 L Thigh", "mixamorig:Hips", "腰", "hip.R-1|x", "End", "ROOT"])
def test_joint_names_keep_the_spelling_of_the_file(tmp_path, name):
    motion = read_bvh(save(tmp_path, ARM.replace("JOINT Arm", f"JOINT   {name} ")))
    assert motion.skeleton.names == ("Hips", name, "Hand")
    write_bvh(tmp_path / "out.bvh", motion)
    assert_same_motion(read_bvh(tmp_path / "out.bvh"), motion)


def test_a_name_in_an_old_code_page_does_not_stop_the_reader(tmp_path):
    motion = read_bvh(save(tmp_path, ARM.replace("JOINT Arm", "JOINT Br\u00e4s").encode("latin-1")))
    assert motion.skeleton.names[1] == "Br\u00e4s"


# Doubtful input: accepted with a warning


@pytest.mark.parametrize("where", ["everywhere", "header", "rows", "Frame Time"])
def test_decimal_commas_are_read_as_points_with_one_warning(tmp_path, where):
    header, rows = ARM.split("1.0 2.0", 1)
    rows = "1.0 2.0" + rows
    if where == "Frame Time":
        text = ARM.replace("0.033333", "0,033333")
    else:
        commas = [part.replace(".", ",") for part in (header, rows)]
        text = {"everywhere": "".join(commas), "header": commas[0] + rows, "rows": header + commas[1]}[where]
    path = save(tmp_path, text)
    with collected_warnings() as doubts:
        motion = read_bvh(path)
    assert_same_motion(motion, read_bvh(save(tmp_path, ARM, "plain.bvh")))
    assert doubts == [f"{path}: its numbers have decimal commas; they are read as decimal points"]


@pytest.mark.parametrize(
    "text, fps, warning",
    [
        ("30", 30, "line 23: Frame Time 30 is taken as 30 frames a second, not as seconds"),
        ("33,3", 30, r"line 23: Frame Time 33.3 is taken as milliseconds \(30 fps\), not as seconds"),
        ("0,0333", 30, r"line 23: Frame Time 0.0333 is rounded; taken as 1/30 s \(30 fps\)"),
    ],
)
def test_a_frame_time_in_another_unit_is_told_with_its_line(tmp_path, text, fps, warning):
    path = save(tmp_path, ARM.replace("0.033333", text))
    with pytest.warns(InputWarning, match=warning):
        assert read_bvh(path).fps == pytest.approx(fps)


# Faults

FAULTS = {
    "no hierarchy": ("HIERARCHY", "hello", "line 1: a BVH file begins with HIERARCHY: got 'hello'"),
    "nothing in the file": (ARM, "", "the file ends where HIERARCHY should stand"),
    "no root": ("ROOT Hips", "JOINT Hips", "line 2: JOINT Hips stands outside of a ROOT"),
    "root without a name": ("ROOT Hips", "ROOT", "line 2: ROOT without a name"),
    "no opening brace": ("ROOT Hips\n{", "ROOT Hips", "line 3: got 'OFFSET' where the opening brace of Hips"),
    "two roots": (
        "MOTION",
        "ROOT Second\n{\nOFFSET 0 0 0\n}\nMOTION",
        r"line 21: a second ROOT \(Second\) beside Hips",
    ),
    "root in a root": ("JOINT Arm", "ROOT Arm", "line 6: a second ROOT"),
    "missing closing brace": ("}\n}\nMOTION", "}\nMOTION", "line 20: got 'MOTION' inside joint Hips"),
    "too many closing braces": ("}\nMOTION", "}\n}\nMOTION", "line 21: got '}' where MOTION should stand"),
    "no OFFSET": ("\t\tOFFSET 0.0 10.0 0.0\n", "", "joint Arm closes without an OFFSET"),
    "short OFFSET": (
        "OFFSET 0.0 10.0 0.0",
        "OFFSET 0.0 10.0",
        "line 9: got 'CHANNELS' where the Z of OFFSET of joint Arm",
    ),
    "NaN OFFSET": ("OFFSET 0.0 10.0 0.0", "OFFSET 0.0 nan 0.0", "line 8: got 'nan' where the Y of OFFSET of joint Arm"),
    "two OFFSETs": (
        "\t\tOFFSET 0.0 10.0 0.0\n",
        "OFFSET 0 0 0\nOFFSET 0 0 0\n",
        "line 9: a second OFFSET in joint Arm",
    ),
    "unknown channel": (
        "2 Xrotation",
        "2 Wrotation",
        "line 9: channel 'Wrotation' of joint Arm.* is none of Xposition",
    ),
    "channel twice": ("2 Xrotation Yr", "2 Yrotation Yr", "line 9: channel 'Yrotation' of joint Arm.* stands twice"),
    "fewer channels than announced": ("CHANNELS 2", "CHANNELS 3", "channel 'JOINT' of joint Arm, which announces 3"),
    "more channels than announced": ("CHANNELS 2", "CHANNELS 1", "line 9: got 'Yrotation' inside joint Arm"),
    "impossible number of channels": ("CHANNELS 2", "CHANNELS -1", "line 9: CHANNELS -1 of joint Arm: expected 0 to 6"),
    "joint in an End Site": (
        "OFFSET 0.0 0.0 2.0",
        "OFFSET 0 0 0\nJOINT x\n{\n}",
        "line 17: JOINT x inside of an End Site",
    ),
    "channels in an End Site": ("0.0 0.0 2.0", "0 0 2\nCHANNELS 1 Xrotation", "the End Site of Hand has CHANNELS"),
    "cut off in the hierarchy": (
        ARM[ARM.index("\t\t\tCHANNELS 0") :],
        "",
        "the file ends where the end of the hierarchy",
    ),
    "no MOTION": ("MOTION\n", "", "line 21: got 'Frames:' where MOTION should stand"),
    "no Frames": ("Frames: 2\n", "", "line 23: got '1.0 2.0 3.0 90.0 0.0 0.0 0.0 0.0' where 'Frames: N' should stand"),
    "Frames that is no number": ("Frames: 2", "Frames: two", "line 22: Frames: got 'two'; expected a whole number"),
    "half a frame": ("Frames: 2", "Frames: 2.5", "line 22: Frames: got '2.5'"),
    "negative Frames": ("Frames: 2", "Frames: -2", "line 22: Frames: got '-2'"),
    "no Frame Time": ("Frame Time: 0.033333\n", "", "line 23: got '1.0 .*' where 'Frame Time: seconds' should stand"),
    "Frame Time of zero": ("0.033333", "0", "line 23: Frame Time: got '0'; expected seconds above 0"),
    "Frame Time is NaN": ("0.033333", "nan", "line 23: Frame Time: got 'nan'"),
    "cut off in the header": (
        ARM[ARM.index("Frame Time") :],
        "",
        "the file ends where 'Frame Time: seconds' should stand",
    ),
    "a value too few": ("3.0 90.0", "3.0", r"line 24 \(frame 0\): 7 values, expected 8; a frame is one line"),
    "a value too many": ("90.0 90.0", "90.0 90.0 1.0", r"line 25 \(frame 1\): 9 values, expected 8"),
    "wrapped rows": ("3.0 90.0", "3.0\n90.0", r"line 24 \(frame 0\): 3 values, expected 8"),
    "the same error in every row": ("1.0 2.0 3.0", "1.0 2.0", r"line 24 \(frame 0\): 7 values"),
    "cut off in a row": (" 90.0 90.0\n", "", r"line 25 \(frame 1\): 6 values, expected 8; the file may be cut off"),
    "cut off in the motion": (
        "1.0 2.0 3.0 0.0 0.0 0.0 90.0 90.0\n",
        "",
        "says 2, but 1 rows follow line 23: the file is cut",
    ),
    "no rows": (ARM[ARM.index("1.0 2.0 3.0 90") :], "", "says 2, but 0 rows follow line 23"),
    "NaN": ("3.0 90.0", "3.0 NaN", r"line 24 \(frame 0\): Hips.Zrotation is 'NaN'; expected a finite number"),
    "infinity": ("90.0 90.0\n", "90.0 1e999\n", r"line 25 \(frame 1\): Arm.Yrotation is '1e999'"),
    "a word": ("3.0 90.0", "3.0 1.#IND", r"line 24 \(frame 0\): Hips.Zrotation is '1.#IND'"),
    "commas between values": (
        "3.0 90.0",
        "3.0,90.0",
        r"line 24 \(frame 0\): got '3.0,90.0'; separate the values by blanks",
    ),
    "comma and blank": ("3.0 90.0", "3.0, 90.0", r"line 24 \(frame 0\): got '3.0,'; separate the values by blanks"),
    "separated thousands": ("3.0 90.0", "1,003.0 90.0", r"line 24 \(frame 0\): got '1,003.0'; .*decimals by a point"),
    "degrees of 1e308": (
        "3.0 90.0",
        "3.0 1e308",
        r"line 24 \(frame 0\): Hips.Zrotation is '1e308'; expected at most 1e",
    ),
    "an OFFSET of 1e30": (
        "0.0 10.0 0.0",
        "0.0 1e30 0.0",
        "line 8: the Y of OFFSET of joint Arm is '1e30'; expected at most",
    ),
    "Frames beyond reason": ("Frames: 2", "Frames: 1e308", "line 22: Frames: got '1e308'; expected at most 100000000"),
    "Frame Time of 1e-320": (
        "0.033333",
        "1e-320",
        "line 23: Frame Time: got '1e-320', .* frames a second; expected the",
    ),
    "Frame Time of 1e-9": (
        "0.033333",
        "1e-9",
        r"line 23: Frame Time: got '1e-9', 1e\+09 frames a second; expected the",
    ),
    "Frame Time of 1e300": ("0.033333", "1e300", "line 23: Frame Time: got '1e300'; expected the seconds of a frame"),
    "a Frame Time of two meanings": (
        "0.033333",
        "100",
        "got '100', which may be 100 frames .* write 0.01 or 0.1 seconds",
    ),
    "a rate on its own line": (
        "Frame Time: 0.033333",
        "Frame Rate: 30",
        "got 'Frame Rate: 30' where 'Frame Time: seconds'",
    ),
    "zero bytes": ("90.0 90.0\n", "90.0 \0\0\0\0\n", r"line 25 \(frame 1\): Arm.Yrotation is"),
    "a comment behind the rows": ("90.0 90.0\n", "90.0 90.0\nthe end\n", r"line 26 \(frame 2\): 2 values, expected 8"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_fault_is_told_in_one_line_with_file_and_line(tmp_path, fault, line_end):
    old, new, message = FAULTS[fault]
    assert old in ARM
    path = save(tmp_path, ARM.replace(old, new).replace("\n", line_end))
    with pytest.raises(InputError, match=message) as caught:
        read_bvh(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.bvh: no such file"):
        read_bvh(tmp_path / "nowhere.bvh")


def test_surplus_rows_are_left_out_with_a_warning_and_the_count_can_be_distrusted(tmp_path):
    path = save(tmp_path, ARM.replace("Frames: 2", "Frames: 1"))
    with collected_warnings() as doubts:
        motion = read_bvh(path)
    assert motion.num_frames == 1
    assert doubts == [f"{path}: `Frames:` says 1; the 1 rows beyond are left out"]
    assert read_bvh(path, trust_frame_count=False).num_frames == 2
    thinned = save(tmp_path, ARM.replace("Frames: 2", "Frames: 16"))
    assert read_bvh(thinned, trust_frame_count=False).num_frames == 2


def test_a_skeleton_without_motion_is_a_motion_of_no_frames(tmp_path):
    motion = read_bvh(save(tmp_path, ARM[: ARM.index("1.0 2.0 3.0")].replace("Frames: 2", "Frames: 0")))
    assert motion.values.shape == (0, 8)
    assert motion.positions().shape == (0, 3, 3)
    write_bvh(tmp_path / "out.bvh", motion)
    assert_same_motion(read_bvh(tmp_path / "out.bvh"), motion)


def test_a_file_whose_joints_have_no_channels_rests_in_its_offsets(tmp_path):
    text = (
        "HIERARCHY\nROOT a\n{\nOFFSET 1 2 3\nJOINT b\n{\nOFFSET 1 1 1\n}\n}\nMOTION\nFrames: 3\nFrame Time: 1\n\n\n\n"
    )
    motion = read_bvh(save(tmp_path, text))
    assert motion.positions().tolist() == [[[1, 2, 3], [2, 3, 4]]] * 3
    assert motion.end_sites == ()


def test_a_thinned_file_with_the_header_of_the_whole_recording_is_told_from_one_that_is_cut_off(tmp_path):
    row = ARM.splitlines()[-1] + "\n"
    many = ARM.replace("0.033333", "0.008333") + 98 * row  # 100 rows
    with pytest.raises(InputError, match=r"thinned 8:1 .* write `Frames: 100` and `Frame Time: 0.066664`"):
        read_bvh(save(tmp_path, many.replace("Frames: 2", "Frames: 797")))
    with pytest.raises(InputError, match="says 870, but 100 rows follow line 23: the file is cut off"):
        read_bvh(save(tmp_path, many.replace("Frames: 2", "Frames: 870")))


def test_a_file_without_channels_cannot_claim_any_number_of_frames(tmp_path):
    text = "HIERARCHY\nROOT a\n{\nOFFSET 1 2 3\n}\nMOTION\nFrames: 1000000000000\nFrame Time: 0.1\n"
    with pytest.raises(InputError, match="expected at most 100000, since no joint has CHANNELS"):
        read_bvh(save(tmp_path, text))
