import pytest

from emage.errors import InputError
from emage.speakers import SpeakerTable


def test_numbers_keep_the_place_that_published_networks_gave_them():
    table = SpeakerTable.build(["8", "2", "6", "4", "2"], capacity=30)
    assert [table.index(label) for label in ("2", "4", "6", "8")] == [1, 3, 5, 7]
    assert table.labels == ("2", "4", "6", "8")
    assert table.index(4) == 3


@pytest.mark.parametrize("labels", [["anna", "bert"], ["2", "31"], ["0", "1"], ["01", "2"]])
def test_other_labels_are_numbered_in_sorted_order(labels):
    table = SpeakerTable.build(reversed(labels), capacity=30)
    assert [table.index(label) for label in labels] == [0, 1]


def test_every_index_is_below_the_capacity():
    assert SpeakerTable.build(["3", "4"], capacity=3).index("4") == 1
    with pytest.raises(InputError, match="model.num_speakers: 1 places for 2 speakers"):
        SpeakerTable.build(["a", "b"], capacity=1)


def test_unknown_speaker_lists_the_known():
    table = SpeakerTable.build(["2", "4"], capacity=30)
    with pytest.raises(InputError, match="speaker '3' is unknown here; known: 2, 4"):
        table.index("3")
    with pytest.raises(InputError, match="known: none"):
        SpeakerTable({}).index("3")


def test_save_and_load(tmp_path):
    table = SpeakerTable.build(["10", "2"], capacity=30)
    table.save(tmp_path / "speakers.json")
    loaded = SpeakerTable.load(tmp_path / "speakers.json")
    assert loaded == table
    assert len(loaded) == 2
    assert loaded.index("10") == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid json"),
        ("[1]", "no speaker table"),
        ('{"2": -1}', "no speaker table"),
        ('{"2": true}', "no speaker table"),
        ('{"2": 1, "4": 1}', "two speakers share an index"),
    ],
)
def test_broken_files(tmp_path, text, message):
    (tmp_path / "speakers.json").write_text(text)
    with pytest.raises(InputError, match=f"speakers.json: {message}"):
        SpeakerTable.load(tmp_path / "speakers.json")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="speakers.json: cannot be read"):
        SpeakerTable.load(tmp_path / "speakers.json")
