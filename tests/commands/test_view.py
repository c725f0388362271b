import json
import logging
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
    assert capsys.readouterr().out.split() == [str(results / "a_view.html")]
    data = data_of(results / "a_view.html")
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
    assert not list(results.glob("*.html"))


def test_the_page_of_generate_is_kept_and_a_replaced_page_is_told(results, caplog):
    caplog.set_level(logging.INFO)
    (results / "a.html").write_text("the page of generate")
    assert main(["view", str(results / "a.bvh")]) == 0
    assert "replaced" not in caplog.text
    assert (results / "a.html").read_text() == "the page of generate"
    assert "<title>a</title>" in (results / "a_view.html").read_text(encoding="utf-8")
    assert main(["view", str(results / "a.bvh"), "--mp4"]) == 0
    assert caplog.messages == [f"replaced: {results / 'a_view.html'}"]
    assert main(["view", str(results / "a.bvh"), "--out", str(results / "a.html")]) == 0
    assert caplog.messages[1:] == [f"replaced: {results / 'a.html'}"]


def test_a_speech_without_words_is_shown(results):
    write_words_json(results / "a.words.json", [])
    assert main(["view", str(results / "a.bvh")]) == 0
    assert data_of(results / "a_view.html")["words"] == []


@pytest.mark.parametrize("stem", ["my.speech.v2", "v1.0", "a.bvh.copy", ".hidden.take"])
@pytest.mark.parametrize("given", ["{}", "{}.bvh"])
def test_a_stem_may_hold_dots(tmp_path, monkeypatch, stem, given):
    monkeypatch.chdir(tmp_path)
    performance().save_bvh(f"{stem}.bvh")
    performance().save_arkit_json(f"{stem}.json")
    soundfile.write(f"{stem}.wav", tone().waveform, tone().sample_rate)
    write_words_json(f"{stem}.words.json", [TimedWord("hello", 0.1, 0.5, 1.0)])
    assert main(["view", given.format(stem)]) == 0
    text = (tmp_path / f"{stem}_view.html").read_text(encoding="utf-8")
    assert f"<title>{stem}</title>" in text
    data = data_of(tmp_path / f"{stem}_view.html")
    assert data["results"][0]["face"] is not None
    assert data["sound"] is not None
    assert data["words"][0][0] == "hello"


def test_an_npz_of_a_dotted_stem_is_found_without_its_ending(tmp_path):
    performance().save_npz(tmp_path / "take.v2.npz")
    assert main(["view", str(tmp_path / "take.v2")]) == 0
    assert data_of(tmp_path / "take.v2_view.html")["results"][0]["name"] == "take.v2"


def test_the_sound_and_words_of_a_folder_are_those_of_its_result(results):
    (results / "b.npz").unlink()
    assert main(["view", str(results)]) == 0
    data = data_of(results / "a_view.html")
    assert data["sound"] is not None
    assert data["words"][0][0] == "hello"


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.bvh", "--out", "a.bvh"], "the page is an .html file"),
        (["a.bvh", "--out", "a.json"], "the page is an .html file"),
        (["a.bvh", "--out", "page"], "the page is an .html file"),
        (["a.bvh", "--out", "page.mp4", "--mp4"], "the page is an .html file"),
        (["a.bvh", "--out", "folder"], "the page is an .html file"),
        (["a.bvh", "--out", "folder.html"], "it is a folder"),
        (["a.bvh", "--audio", "talk.mp4", "--out", "talk.html", "--mp4"], "talk.mp4: it is an input"),
        (["a.bvh", "--audio", "talk.mp4", "--out", "folder.html/../talk.html", "--mp4"], "it is an input"),
        (["a.bvh", "--out", "link.html"], "link.html: it is an input of this command (a.bvh)"),
        (["a.bvh", "--out", "hard.HTML"], "hard.HTML: it is an input of this command (a.json)"),
        (["a.bvh", "--words", "a.words.json", "--out", "words.htm"], "it is an input of this command (a.words.json)"),
        (["b.npz", "a.bvh", "--out", "hard.HTML"], "it is an input of this command (a.json)"),
    ],
)
def test_nothing_is_written_over_an_input(results, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(results)
    (results / "folder").mkdir()
    (results / "folder.html").mkdir()
    (results / "talk.mp4").write_bytes((results / "a.flac").read_bytes())
    (results / "link.html").symlink_to("a.bvh")
    (results / "hard.HTML").hardlink_to("a.json")
    (results / "words.htm").symlink_to(results / "a.words.json")
    before = contents(results)
    assert main(["view", *arguments]) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert contents(results) == before


def test_hidden_files_of_a_folder_are_no_results(results, capsys):
    (results / ".a.bvh.123.partial.bvh").write_bytes((results / "a.bvh").read_bytes()[:1000])
    (results / "._a.bvh").write_bytes(b"what another system adds to each file")
    assert main(["view", str(results)]) == 0
    assert (results / "a_view.html").is_file()
