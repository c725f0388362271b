import pytest
from hypothesis import given
from hypothesis import strategies as st

from emage.words.markup import plain_text
from emage.words.unspoken import blank_unspoken


def spoken(text: str) -> str:
    (blanked,), _ = blank_unspoken([text])
    assert len(blanked) == len(text)
    return " ".join(blanked.split())


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[music] hello", "hello"),
        ("[SPEAKER_00]: Hello there.", "Hello there."),
        ("(JOHN): Hello", "Hello"),
        ("(00:12): Hello", "Hello"),
        ("[00:01]: Hello", "Hello"),
        ("[A]: well", "well"),
        ("[A] : well", "well"),
        ("[SPEAKER_00]:Hello", "Hello"),
        ("【A】：你好", "你好"),
        ("well ... you", "well you"),
        ("5 − 3 :D", "5 − 3 :D"),
        ("- [SPEAKER_00]: Hello. [SPEAKER_01]: Hi.", "Hello. Hi."),
        ("[00:01] [SPEAKER_00]: Hello", "Hello"),
        ("JOHN [angrily]: come", "come"),
        ("{laughs} hello {B}: hi", "hello hi"),
        ("**Mary:** hi there", "hi there"),
        ("**Mary**: hi\n- __Dr. Smith:__ well", "hi well"),
        ("one\n*mary lou:*\ntwo", "one two"),
        ("well -- this — is\n– it -", "well this is it"),
        ("fine 👍🏽 ❤️ hello😀 👩\u200d👧", "fine hello"),
        ("salt & pepper, 5 % of F♯ + 2", "salt & pepper, 5 % of F♯ + 2"),
        ("0:30 hello\n0:35 you", "hello you"),
        ("0:10 left\n0:20 right\n0:30 left", "left right left"),
        ("one [door\nslams] two", "one two"),
        ("(laughs) hello", "hello"),
        ("That's (laughs) funny", "That's funny"),
        ("(DOOR SLAMS) hey", "hey"),
        ("(in French) Bonjour", "Bonjour"),
        ("*sighs* okay", "okay"),
        ("♪ la la ♪", "la la"),
        ("# la la #", "la la"),
        ("（笑）你好", "你好"),
        ("JOHN: - Hello there.", "Hello there."),
        ("JOHN (O.S.): come", "come"),
        ("DR. SMITH: come", "come"),
        ("Speaker 1: hello", "hello"),
        ("SPEAKER_00: hello", "hello"),
        ("Anna: Hello there", "Hello there"),
        ("Dr. Smith: Good", "Good"),
        ("Q: what\nA: that", "what that"),
        ("anna: hi there\nben: hello\nanna: yes", "hi there hello yes"),
        ("Hello. JOHN: Hi there. MARY: Yes.", "Hello. Hi there. Yes."),
        (">> MARY: hi", "hi"),
        (">> yes >> no", "yes no"),
        ("- Hello. - Hi.", "Hello. Hi."),
        ("-Hello you\n—no", "Hello you no"),
        ("[00:01.5] hello", "hello"),
        ("00:12 hello", "hello"),
        ("(00:12) hello", "hello"),
        ("1:02:03 hello", "hello"),
        ("00:01 - 00:05 hello", "hello"),
        ("0:00\nhello everyone\n0:05\ntoday we", "hello everyone today we"),
        ("3:45 hello\n3:52 you\n3:58 there", "hello you there"),
        ("Interviewer: how are you?\nMax: fine.", "how are you? fine."),
        ("Anna: Hi.\nBen: Hello.", "Hi. Hello."),
        ("Speaker 1 [00:12]\nhi", "hi"),
        ("[00:12] JOHN: hi", "hi"),
        ("Anna Smith  1:12\nHello there.\n\nBen  1:20\nHi.", "Hello there. Hi."),
    ],
)
def test_what_nobody_says_goes(text, expected):
    assert spoken(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Note: this is it",
        "0:30 left on the clock",
        "0:30 hello",
        "00:30 left on the clock",
        "1:59:40 is the record",
        "we had\n0:30 left on the clock\nand won",
        "Note: This is it",
        "WARNING: this is hot",
        "He said: yes",
        "Question: Why?\nAnswer: Because.",
        "So: what now?",
        "and he said yes.\nNote: This is",
        "3:45 in the morning",
        "3:45 in the morning\n4:50 in the evening",
        "12:30 is late",
        "Paris: the city of light\nRome: the city of stone",
        "we met at 3:45 and left at 4:50",
        "my brother (the tall one) came",
        "my brother\n(the tall one) came",
        "I called (my phone was there) and",
        "the (WHO) said",
        "It is -5 degrees",
        "-5 degrees",
        "2*3*4 is 24",
        "#metoo is",
        "F♯ minor",
        "[ unclosed hello",
        "a: b is http://x.y",
        "Paris: the city of light",
        "AND HE SAID: YES I AM HERE TODAY",
        "well this is\n nobody's   speech, 42 times.",
    ],
)
def test_what_may_be_said_stays(text):
    assert spoken(text) == " ".join(text.split())


def test_time_stamps_are_named_among_what_was_removed():
    assert blank_unspoken(["0:00 one\n0:05 - two\n00:07 - 00:09 three"])[1] == ["0:00", "0:05", "00:07 - 00:09"]


def test_emphasis_loses_its_asterisks_only():
    assert spoken("I *really* like **it**") == "I really like it"
    assert spoken("**Note:** this") == "Note: this"


def test_blocks_keep_their_length_and_labels_are_told_by_their_recurrence():
    blocks = ["bob: hi", "yes and", "bob: [music] no", ""]
    blanked, removed = blank_unspoken(blocks)
    assert [block.split() for block in blanked] == [["hi"], ["yes", "and"], ["no"], []]
    assert list(map(len, blanked)) == list(map(len, blocks))
    assert sorted(removed) == ["[music]", "bob:", "bob:"]
    assert blank_unspoken([]) == ([], [])


@given(st.lists(st.text(alphabet="aB1 :[]()*-–>♪#.\n05", max_size=30), max_size=4))
def test_every_letter_stays_at_its_place_or_becomes_a_space(blocks):
    blanked, _ = blank_unspoken(blocks)
    assert len(blanked) == len(blocks)
    for before, after in zip(blocks, blanked, strict=True):
        assert len(before) == len(after)
        assert all(b in (a, " ") and (a != "\n" or b == "\n") for a, b in zip(before, after, strict=True))


def test_markup_goes_and_marks_know_their_place():
    text, marks = plain_text("{\\an8}<i>one</i><00:01.500> t&amp;o<br/>three\\Nfour<1:00:00.000>")
    assert text == "one t&o\nthree\nfour"
    assert marks == [(3, 1.5), (len(text), 3600.0)]
    assert plain_text("<|en|><|0.00|> Hello<|2.00|>there").text.split() == ["Hello", "there"]
    assert plain_text("a < b and AT&T; I <3 you").text == "a < b and AT&T; I <3 you"
