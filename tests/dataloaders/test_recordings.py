import pytest

from dataloaders.recordings import Recording, parse_id, select_speakers
from emage.errors import InputError


@pytest.mark.parametrize(
    ("recording_id", "expected"),
    [
        ("2_scott_0_103_103", ("2", "scott", "english", False, 103, 103, None)),
        ("29_hanieh_1_4_4", ("29", "hanieh", "english", True, 4, 4, None)),
        ("12_zhao_2_1_8", ("12", "zhao", "chinese", False, 1, 8, None)),
        ("17_itoi_7_2_2", ("17", "itoi", "japanese", True, 2, 2, None)),
        ("5_stewart_0_65_65_a", ("5", "stewart", "english", False, 65, 65, "a")),
        ("5_stewart_1_1_b", ("5", "stewart", "english", True, 1, 1, "b")),  # as in the reference's own tree
        ("ann_mary_jane_4_1_1", ("ann", "mary_jane", "spanish", False, 1, 1, None)),
    ],
)
def test_what_an_id_says(recording_id, expected):
    assert tuple(parse_id(recording_id)) == expected


def test_both_spellings_of_a_half_are_one_name():
    assert parse_id("5_stewart_0_65_a") == parse_id("5_stewart_0_65_65_a")
    assert parse_id("5_stewart_0_65_a").half_cut_s == 30
    assert parse_id("5_stewart_1_1_a").half_cut_s == 300


@pytest.mark.parametrize("recording_id", ["", "causes", "2_scott_0", "2_scott_8_1_1", "2_scott_0_1_1_c", "npy_mean_2"])
def test_other_names_are_refused(recording_id):
    with pytest.raises(InputError, match=r"expected <speaker>_<name>_.*e\.g\. 2_scott_0_1_1"):
        parse_id(recording_id)


def test_recording_from_id(tmp_path):
    recording = Recording.from_id("2_scott_0_65_65", {"bvh": tmp_path}, subset="val")
    assert (recording.speaker, recording.speaker_name, recording.language, recording.take) == (
        "2",
        "scott",
        "english",
        65,
    )
    assert recording.subset == "val"


def test_speakers_are_chosen_by_label():
    recordings = [Recording.from_id(i, {}) for i in ("2_scott_0_1_1", "4_lawrence_0_1_1", "10_kieks_0_1_1")]
    assert select_speakers(recordings, []) == recordings
    assert [r.id for r in select_speakers(recordings, ["10", "2"])] == ["2_scott_0_1_1", "10_kieks_0_1_1"]
    with pytest.raises(InputError, match=r"data.speakers: no recordings of 3, scott; there are some of 2, 4, 10"):
        select_speakers(recordings, ["2", "3", "scott"])
