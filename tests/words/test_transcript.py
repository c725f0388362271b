import pytest

from emage.errors import InputError, collected_warnings
from emage.words import text_or_file


@pytest.mark.parametrize(
    "name",
    [
        "transcrip.txt",
        "my transcript.txt",
        "speech.srt",
        "speech.TextGrid",
        "notes.docx",
        "./notes",
        "/nowhere/notes",
        "../my notes",
        "folder/notes",
        "folder\\notes",
        "C:\\Users\\me\\notes",
        "speech.wav",
        "transcripts/take one final version two.txt",
        "/home/me/my files/the long name of a file.txt",
        "/home/me/my files/the long name of a file",
        "the long name of a transcript of mine.txt",
        "C:\\Users\\me\\my files and all the rest.srt",
        '"talk.txt"',
        "'my long talk about the weather today.txt'",
        "my talks/Dr. Smith, the first take of two.txt",
        "speech.tx",
        "speech.txtt",
        "speech.jsn",
        "transcripts/take1",
        "talks/monday",
    ],
)
def test_a_path_without_a_file_is_an_error_and_not_the_transcript(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such file; correct the path, or give the text itself"):
        text_or_file(name)


@pytest.mark.parametrize(
    "text",
    [
        "What is said",
        "hello",
        "hello.",
        "Yes.",
        "he or she and/or they said so",
        "please open the file named readme.txt",
        "open readme.txt\nand read it",
        "and/or",
        "24/7",
        "he/she",
        "he/she said so",
        "either/or",
        "9/11.",
        "I use and/or in a file like readme.txt",
        "input/output.",
        "visit example.com",
        "example.com",
        "I use Node.js",
        "Node.js",
        "U.S.",
        "e.g.",
        "I wrote it down. Then I opened readme.txt",
        "/r/funny is the page that I like most.",
        '"hello"',
        "and/" * 2000 + "or",
        "x" * 5000,
        "a\0b",
        "你好/再见",
        "",
    ],
)
def test_a_text_is_itself(text):
    with collected_warnings() as messages:
        assert text_or_file(text) == text
    assert messages == []


def test_a_word_with_a_slash_is_a_path_where_its_folder_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text_or_file("and/or") == "and/or"
    (tmp_path / "and").mkdir()
    with pytest.raises(InputError, match="no such file"):
        text_or_file("and/or")


def test_a_word_in_tags_is_no_path():
    assert text_or_file("<i>hello</i>") == "hello"


def test_a_folder_is_an_error_if_it_is_written_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello").mkdir()
    assert text_or_file("hello") == "hello"
    with pytest.raises(InputError, match="is a folder"):
        text_or_file("./hello")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_file_in_every_encoding(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Grüße an dich\r\nund alle".encode(encoding))
    with collected_warnings() as messages:
        assert text_or_file(str(tmp_path / "a.txt")).split() == ["Grüße", "an", "dich", "und", "alle"]
    assert len(messages) == (encoding == "cp1252")


def test_what_is_not_spoken_is_left_out_of_text_and_file(tmp_path):
    text = "[00:01.5] JOHN: [music] <i>Hello</i> &amp; you.\nNote: it is 3:45."
    (tmp_path / "a.txt").write_text(text)
    for given, name in ((text, "--text"), (str(tmp_path / "a.txt"), "a.txt")):
        with collected_warnings() as messages:
            assert text_or_file(given).split() == "Hello & you. Note: it is 3:45.".split()
        assert f"{name}: left out as not spoken: '[00:01.5]', '[music]', 'JOHN:'" in messages[0]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"", "the transcript is empty"),
        ("a.txt", b"\xef\xbb\xbf \r\n", "the transcript is empty"),
        ("a.srt", b"x", "holds times of words, not a plain transcript; give it with --words"),
        ("a.vtt", b"WEBVTT\n", "give it with --words"),
        ("a.TextGrid", b"x", "give it with --textgrid"),
        ("a.json", b"{}", "give it with --words"),
        ("a.txt", b"1\n00:00:01,000 --> 00:00:02,000\nx\n", "give it with --words"),
        ("a.txt", b"\xef\xbb\xbfWEBVTT\n\n", "give it with --words"),
        ("a.txt", b'File type = "ooTextFile"\nObject class = "TextGrid"\n', "give it with --textgrid"),
        ("a.txt", b'{"text": "x"}', "give it with --words"),
        ("a.docx", b"PK\x03\x04xyz", "an office document, not text"),
        ("a.pdf", b"%PDF-1.4 x", "a PDF, not text"),
        ("a.txt", b"\xff\xfe\xfa", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_transcript_is_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        text_or_file(str(tmp_path / name))
