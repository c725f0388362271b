import pytest

from dataloaders.recordings import Recording, parse_id
from dataloaders.splits import SplitEntry, official_split, split_entries
from emage.config import DataConfig, SplitsConfig
from emage.errors import InputError


def recordings_of(speaker: str, name: str, *, conversations: int = 12) -> list[Recording]:
    """All English takes of a speaker: speech 1..118, conversations 1..12."""
    ids = [f"{speaker}_{name}_0_{k}_{k}" for k in range(1, 119)]
    ids += [f"{speaker}_{name}_1_{k}_{k}" for k in range(1, conversations + 1)]
    return [Recording.from_id(i, {}) for i in ids]


def ids(entries: list[SplitEntry]) -> list[str]:
    return [entry.id for entry in entries]


def minutes(entries: list[SplitEntry]) -> float:
    """Planned length: a minute a speech, ten a conversation."""
    total_s = 0.0
    for entry in entries:
        end_s = entry.end_s or (600.0 if parse_id(entry.recording_id).is_conversation else 60.0)
        total_s += end_s - entry.start_s
    return total_s / 60


def test_four_hour_speaker_has_the_published_minutes():
    splits, notices = official_split(recordings_of("2", "scott"))
    assert {split: minutes(entries) for split, entries in splits.items()} == {"train": 188, "val": 25, "test": 25}
    assert notices == []
    speech = [f"2_scott_0_{k}_{k}" for k in (*range(1, 9), 65, 73, 81, 87, 95, 103, 111)]
    assert ids(splits["test"]) == [*speech, "2_scott_1_1_1"]
    assert ids(splits["val"])[-2:] == ["2_scott_0_118_118", "2_scott_1_12_12"]
    assert "2_scott_0_86_86" in ids(splits["val"])


def test_one_hour_speaker_has_the_published_minutes_and_halves():
    splits, notices = official_split(recordings_of("5", "stewart", conversations=3))
    assert {split: minutes(entries) for split, entries in splits.items()} == {"train": 36, "val": 12.5, "test": 12.5}
    assert SplitEntry("5_stewart_0_65_65_a", "5_stewart_0_65_65", 0, 30) in splits["test"]
    assert SplitEntry("5_stewart_0_65_65_b", "5_stewart_0_65_65", 30, None) in splits["val"]
    assert SplitEntry("5_stewart_1_1_1_a", "5_stewart_1_1_1", 0, 300) in splits["test"]
    assert SplitEntry("5_stewart_1_1_1_b", "5_stewart_1_1_1", 300, None) in splits["val"]
    assert len(notices) == 1  # takes that a one-hour speaker does not have
    assert "5_stewart_0_17_17" in notices[0]


def test_extra_conversations_of_speaker_29_are_for_training():
    extra = [Recording.from_id(f"29_hanieh_1_{k}_{k}", {}) for k in (0, 4)]
    assert ids(official_split(extra)[0]["train"]) == ["29_hanieh_1_0_0", "29_hanieh_1_4_4"]


def test_splits_are_disjoint_and_cover_every_take_of_a_four_hour_speaker():
    splits, _ = official_split(recordings_of("21", "ayana"))
    everything = [i for entries in splits.values() for i in ids(entries)]
    assert len(everything) == len(set(everything)) == 130


def test_recordings_without_an_official_place_are_named():
    others = [Recording.from_id(i, {}) for i in ("12_zhao_2_1_8", "1_wayne_0_1_8", "2_scott_0_9_9")]
    splits, notices = official_split(others)
    assert ids(splits["train"]) == ["2_scott_0_9_9"]
    assert notices == [
        "2 recordings (12_zhao_2_1_8, 1_wayne_0_1_8): no place in the official English split;"
        " name them in data.splits to use them"
    ]


def test_speakers_that_beat_does_not_have_follow_the_four_hour_rule():
    splits, _ = official_split(recordings_of("31", "mia"))
    assert {split: len(entries) for split, entries in splits.items()} == {"train": 98, "val": 16, "test": 16}


def test_explicit_lists_override_and_keep_their_order():
    config = DataConfig(splits=SplitsConfig(train=["2_scott_0_5_5", "2_scott_0_1_1"], val=["2_scott_0_2_2"]))
    splits, notices = split_entries(config, recordings_of("2", "scott"))
    assert ids(splits["train"]) == ["2_scott_0_5_5", "2_scott_0_1_1"]
    assert ids(splits["val"]) == ["2_scott_0_2_2"]
    assert splits["test"] == []
    assert notices == []


def test_a_list_may_name_halves_in_either_spelling():
    config = DataConfig(splits=SplitsConfig(train=["5_stewart_0_9_b"], test=["5_stewart_0_9_9_a"]))
    splits, notices = split_entries(config, recordings_of("5", "stewart"))
    assert splits["train"] == [SplitEntry("5_stewart_0_9_9_b", "5_stewart_0_9_9", 30, None)]
    assert splits["test"] == [SplitEntry("5_stewart_0_9_9_a", "5_stewart_0_9_9", 0, 30)]
    assert notices == []  # halves do not overlap


@pytest.mark.parametrize("other", ["2_scott_0_1_1", "2_scott_0_1_1_b"])
def test_overlap_is_a_warning(other):
    config = DataConfig(splits=SplitsConfig(train=["2_scott_0_1_1", "2_scott_0_2_2"], test=[other]))
    splits, notices = split_entries(config, recordings_of("2", "scott"))
    assert ids(splits["test"]) == [other]
    assert notices == ["data.splits: 1 recording (2_scott_0_1_1): in both train and test, so test tells less"]


def test_an_id_listed_twice_is_used_once():
    config = DataConfig(splits=SplitsConfig(train=["2_scott_0_1_1"] * 2))
    splits, notices = split_entries(config, recordings_of("2", "scott"))
    assert ids(splits["train"]) == ["2_scott_0_1_1"]
    assert "listed more than once" in notices[0]


@pytest.mark.parametrize(
    ("entry_id", "message"),
    [
        ("2_scot_0_1_1", "data.splits.val: no recording '2_scot_0_1_1'; did you mean '2_scott_0_1_1'?"),
        ("2_scott", "data.splits.val: recording id '2_scott': expected .*; did you mean '2_scott"),
        ("2_scott_0_1_1_c", "did you mean '2_scott_0_1_1'"),
    ],
)
def test_unknown_ids_name_the_nearest(entry_id, message):
    config = DataConfig(splits=SplitsConfig(train=["2_scott_0_1_1"], val=[entry_id]))
    with pytest.raises(InputError, match=message):
        split_entries(config, recordings_of("2", "scott"))


def test_ids_of_a_speaker_that_is_left_out_say_so():
    config = DataConfig(speakers=["4"], splits=SplitsConfig(train=["2_scott_0_1_1"]))
    both = recordings_of("2", "scott") + recordings_of("4", "lawrence")
    with pytest.raises(InputError, match="is of speaker 2, whom data.speakers leaves out"):
        split_entries(config, both)


def test_speakers_filter_the_official_split():
    both = recordings_of("2", "scott") + recordings_of("4", "lawrence")
    splits, _ = split_entries(DataConfig(speakers=["4"]), both)
    assert {i.split("_")[0] for entries in splits.values() for i in ids(entries)} == {"4"}


def test_a_corpus_that_is_split_on_disk_keeps_its_folders():
    recordings = [
        Recording.from_id("2_scott_0_1_1", {}, subset="train"),
        Recording.from_id("5_stewart_0_65_a", {}, subset="test"),
        Recording.from_id("5_stewart_0_65_b", {}, subset="val"),
    ]
    splits, notices = split_entries(DataConfig(format="beat_cache"), recordings)
    assert splits["train"] == [SplitEntry("2_scott_0_1_1", "2_scott_0_1_1")]
    assert splits["test"] == [SplitEntry("5_stewart_0_65_a", "5_stewart_0_65_a")]
    assert splits["val"] == [SplitEntry("5_stewart_0_65_b", "5_stewart_0_65_b")]
    assert notices == []
    listed = DataConfig(format="beat_cache", splits=SplitsConfig(train=["5_stewart_0_65_65_a"]))
    assert split_entries(listed, recordings)[0]["train"] == [SplitEntry("5_stewart_0_65_a", "5_stewart_0_65_a")]
