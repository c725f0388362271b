import json
import re

import pytest
import soundfile
from viewer.results import performance, tone

from emage.cli import main
from emage.words import TimedWord, write_words_json


@pytest.fixture
def results(tmp_path):
    """Two results with the first one's sound and words beside it."""
    performance().save_bvh(tmp_path / "a.bvh")
    performance().save_arkit_json(tmp_path / "a.json")
    performance(45, 15.0).save_npz(tmp_path / "b.npz")
    soundfile.write(tmp_path / "a.flac", tone().waveform, tone().sample_rate)
    write_words_json(tmp_path / "a.words.json", [TimedWord("hello", 0.1, 0.5, 1.0)])
    return tmp_path


def data_of(path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL).group(1))


def test_results_stand_side_by_side_with_the_sound_and_words_beside_the_first(results, capsys):
    assert main(["view", str(results / "a.bvh"), str(results / "b.npz"), "--names", "real,ours"]) == 0
    assert capsys.readouterr().out.split() == [str(results / "a.html")]
    data = data_of(results / "a.html")
    assert [(row["name"], row["fps"], row["frames"]) for row in data["results"]] == [
        ("real", 30.0, 60),
        ("ours", 15.0, 45),
    ]
    assert all(row["face"] for row in data["results"])
    assert [word[0] for word in data["words"]] == ["hello"]
    assert data["sound"] is not None


def test_a_video_lies_beside_the_page(results):
    (results / "short.wav").write_bytes((results / "a.flac").read_bytes())
    out = results / "new" / "page.html"
    options = ["--audio", str(results / "short.wav"), "--out", str(out), "--mp4", "--theme", "dark"]
    assert main(["view", str(results / "b.npz"), *options]) == 0
    assert data_of(out)["theme"] == "dark"
    assert out.with_suffix(".mp4").stat().st_size > 10000


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.bvh"], "no such result"),
        (["a.bvh", "b.npz", "--names", "one"], "got 1 names for 2 results"),
        (["a.bvh", "--audio", "none.wav"], "no such sound file"),
        (["a.bvh", "--words", "a.xyz"], "words are read from"),
    ],
)
def test_what_cannot_be_shown_is_one_line(results, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(results)
    assert main(["view", *arguments]) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (results / "a.html").exists()
