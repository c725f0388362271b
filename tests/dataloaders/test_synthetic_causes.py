"""Every cause of the synthetic corpus causes what it says, and is visible in one input only: swap the input, see the effect."""

import dataclasses
import functools
import importlib.util
import time

import numpy as np
import pytest
from homophones import swap_homophones

from dataloaders.corpora.synthetic import MadeRecording, make_recording, make_script
from dataloaders.corpora.synthetic_causes import CauseEvent
from dataloaders.corpora.synthetic_face import FACE_FPS, mouth_shape
from dataloaders.corpora.synthetic_files import write_emotion_csv, write_semantic_txt, write_textgrid
from dataloaders.corpora.synthetic_gestures import KEYWORD_GESTURES
from dataloaders.corpora.synthetic_motion import MOTION_FPS
from dataloaders.corpora.synthetic_people import EMOTION_STYLES, speaker_style
from dataloaders.corpora.synthetic_plan import RecordingPlan
from dataloaders.corpora.synthetic_speech import (
    LOUD_GAIN,
    SAMPLE_RATE,
    VOICES,
    Speech,
    Voice,
    draw_voice,
    speak_script,
)
from dataloaders.corpora.synthetic_text import (
    CHOICES,
    KEYWORDS,
    PLAIN_SENTENCES,
    SLOT_SENTENCES,
    ScriptWord,
)
from dataloaders.labels import EMOTIONS, read_emotion_csv, read_semantic_txt
from emage.motion.layout import ARKIT_51
from emage.text import read_phones, read_textgrid

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)

PLANS = [RecordingPlan(number, "1", 9, 0, 12.0, seed=0) for number in range(4)]


@functools.cache
def made(plan: RecordingPlan) -> MadeRecording:
    return make_recording(plan)


def swapped(plan: RecordingPlan, **labels) -> MadeRecording:
    return made(dataclasses.replace(plan, **labels))


def hand_speed_cm_s(recording: MadeRecording, side: str) -> np.ndarray:
    """(T,) speed of a wrist against the chest, so that the swaying of the body does not count."""
    bvh = recording.movements.bvh
    positions = bvh.positions()
    hand, chest = bvh.skeleton.indices([f"{side}Hand", "Spine3"])
    return np.linalg.norm(
        np.gradient((positions[:, hand] - positions[:, chest]).numpy(), 1 / MOTION_FPS, axis=0), axis=1
    )


def strokes(recording: MadeRecording, cause: str) -> list[CauseEvent]:
    """Events that move an arm."""
    moves_arm = [event for event in recording.movements.events if event.cause == cause and event.movements]
    return [event for event in moves_arm if event.movements[0].targets[0].endswith("Arm")]


def channel(recording: MadeRecording, name: str) -> np.ndarray:
    return recording.face.weights[:, ARKIT_51.index(name)]


def at(values: np.ndarray, time_s: float, fps: float = FACE_FPS) -> float:
    return float(values[min(round(time_s * fps), len(values) - 1)])


def rms(speech: Speech, start_s: float, end_s: float) -> float:
    return float(np.sqrt(np.mean(speech.waveform[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] ** 2)))


# audio


@pytest.mark.parametrize("speaker", ["1", "2", "3", "21"])
@pytest.mark.parametrize("emotion", [0, 2, 3])
def test_the_hand_is_fastest_at_the_loud_syllable(speaker, emotion):
    recording = swapped(PLANS[0], speaker=speaker, emotion=emotion)
    events = strokes(recording, "stress") + strokes(recording, "keyword")
    assert len(events) >= 3
    for event in events:
        for movement in event.movements:
            speed = hand_speed_cm_s(recording, "Right" if movement.targets[0].startswith("Right") else "Left")
            first, last = (round(time_s * MOTION_FPS) for time_s in (movement.start_s, movement.end_s))
            fastest_s = (first + int(speed[first:last].argmax())) / MOTION_FPS
            assert fastest_s == pytest.approx(event.time_s, abs=0.03)
            assert 60 < speed[first:last].max() < 420


@pytest.mark.parametrize("plan", PLANS)
def test_loud_syllables_alone_make_strokes_and_are_loud_in_the_sound(plan):
    recording = made(plan)
    speech = recording.speech
    assert [event.time_s for event in strokes(recording, "stress")] == [speech.phones[i].middle_s for i in speech.loud]
    assert all(speech.phones[i].stress == 2 for i in speech.loud)
    quiet = dataclasses.replace(speech, waveform=other_stress(plan).waveform)
    for i in set(speech.loud) - set(other_stress(plan).loud):
        phone = speech.phones[i]
        ratio = rms(speech, phone.start_s, phone.end_s) / rms(quiet, phone.start_s, phone.end_s)
        assert ratio == pytest.approx(LOUD_GAIN, rel=0.15)
        assert ratio > 2


@functools.cache
def other_stress(plan: RecordingPlan) -> Speech:
    """The same words of the same voice, with other syllables loud."""
    rng = np.random.default_rng(99)
    return speak_script(make_script(plan), draw_voice(plan.random("voice")), stress_rng=rng, seconds=plan.seconds)


@pytest.mark.parametrize("plan", PLANS)
def test_words_and_their_times_do_not_tell_which_syllables_are_loud(plan, tmp_path):
    one, other = made(plan).speech, other_stress(plan)
    assert one.loud != other.loud
    for name, speech in (("one", one), ("other", other)):
        write_textgrid(tmp_path / name, speech, seconds=plan.seconds)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("plan", PLANS)
def test_textgrid_times_are_those_of_the_sound(plan, tmp_path):
    speech = made(plan).speech
    write_textgrid(tmp_path / "a.TextGrid", speech, seconds=plan.seconds)
    words, phones = read_textgrid(tmp_path / "a.TextGrid"), read_phones(tmp_path / "a.TextGrid")
    assert [word.text for word in words] == [word.text.lower() for word in speech.words]
    assert [phone.text for phone in phones] == [phone.ipa for phone in speech.phones]
    assert words[-1].end_s == pytest.approx(speech.words[-1].end_s, abs=1e-4)
    edges = [(0.0, 0.0), *((word.start_s, word.end_s) for word in words), (plan.seconds, plan.seconds)]
    pauses = [(a[1], b[0]) for a, b in zip(edges, edges[1:], strict=False) if b[0] - a[1] > 0.2]
    assert len(pauses) >= 3  # before, between and behind the sentences
    loudest_pause = max(rms(speech, start_s + 0.06, end_s - 0.03) for start_s, end_s in pauses)
    assert min(rms(speech, word.start_s, word.end_s) for word in words) > 5 * loudest_pause


def test_pauses_are_silent_and_move_all_that_follows_alike():
    plan = dataclasses.replace(PLANS[0], seconds=20.0, pauses=1.0)
    paused, plain = made(plan).speech, made(dataclasses.replace(plan, pauses=0.0)).speech
    words = list(zip(paused.words, plain.words, strict=False))
    assert len(words) > 10
    assert all(one.text == other.text for one, other in words)
    later = np.diff(
        [0.0, *(one.start_s - other.start_s for one, other in words)]
    )  # how much longer each gap has become
    ends = np.array([False, *(word.script.text.endswith(".") for word in paused.words[: len(words) - 1])])
    assert later[~ends] == pytest.approx(0, abs=1e-9)
    assert (later[ends] >= 1 - 1e-3).all()
    assert (later[ends] <= 5 + 1e-3).all()
    for place in np.flatnonzero(ends):
        gap = paused.words[place - 1].end_s + 0.1, paused.words[place].start_s - 0.1
        assert rms(paused, *gap) < 1e-3 * rms(paused, paused.words[place].start_s, paused.words[place].end_s)
    for one, other in words:  # the sound has moved with the words
        assert rms(paused, one.start_s, one.end_s) > 0.02
        assert one.end_s - one.start_s == pytest.approx(other.end_s - other.start_s, abs=1e-9)
    for phone in paused.phones:
        word = paused.words[phone.word]
        assert word.start_s - 1e-9 <= phone.start_s < phone.end_s <= word.end_s + 1e-9


def test_the_body_and_the_mouth_rest_in_a_pause():
    plan = dataclasses.replace(PLANS[1], seconds=20.0, pauses=1.0)
    recording = made(plan)
    words = recording.speech.words
    gap = max(range(1, len(words)), key=lambda place: words[place].start_s - words[place - 1].end_s)
    # A stroke may end in a pause, and the next one begins before its syllable.
    start_s, end_s = words[gap - 1].end_s + 1.2, words[gap].start_s - 1.2
    assert end_s - start_s > 0.5
    speed = hand_speed_cm_s(recording, "Right")
    assert speed[round(start_s * MOTION_FPS) : round(end_s * MOTION_FPS)].max() < 0.2 * speed.max()
    assert channel(recording, "jawOpen")[round(start_s * FACE_FPS) : round(end_s * FACE_FPS)].max() < 0.08


def test_the_same_words_sound_the_same_a_second_later():
    """espeak-ng seeds its breath noise from the clock, in seconds; f2 is a breathy voice."""
    script = [ScriptWord(text) for text in "The whole story was said again.".split()]

    def spoken() -> bytes:
        voice, rng = Voice("en-us+f2", 170, 50), np.random.default_rng(0)
        return speak_script(script, voice, stress_rng=rng, seconds=4.0).waveform.tobytes()

    first = spoken()
    time.sleep(1.1)
    assert spoken() == first


def test_vowels_are_louder_than_the_closures_of_stops():
    speech = made(PLANS[0]).speech
    vowels = [rms(speech, p.start_s, p.end_s) for p in speech.phones if mouth_shape(p.ipa)["jawOpen"] > 0.3]
    stops = [rms(speech, p.start_s, p.end_s) for p in speech.phones if p.ipa in ("t", "k", "p")]
    assert np.median(vowels) > 3 * np.median(stops)


@pytest.mark.parametrize("plan", PLANS)
def test_the_mouth_opens_for_open_vowels_and_closes_for_bilabials(plan):
    recording = made(plan)
    jaw, press = channel(recording, "jawOpen"), channel(recording, "mouthPressLeft")
    middle = {sounds: [] for sounds in ("open", "close", "bilabial")}
    for phone in recording.speech.phones:
        if phone.ipa in ("\u00e6", "\u0251\u02d0", "a\u026a", "a\u028a"):
            middle["open"].append(at(jaw, phone.middle_s))
        elif phone.ipa in ("i\u02d0", "u\u02d0", "\u026a", "i"):
            middle["close"].append(at(jaw, phone.middle_s))
        elif phone.ipa in ("p", "b", "m"):
            middle["bilabial"].append((at(jaw, phone.middle_s), at(press, phone.middle_s)))
    assert min(middle["open"]) > 0.45
    assert max(middle["close"]) < 0.35
    assert all(opened < 0.2 and pressed > 0.4 for opened, pressed in middle["bilabial"])
    assert jaw[: round(0.3 * FACE_FPS)].max() < 0.06  # nothing is said yet


def test_brows_rise_at_loud_syllables_and_nowhere_else():
    recording = made(PLANS[1])
    brow = channel(recording, "browInnerUp")
    loud_s = np.array([recording.speech.phones[i].middle_s for i in recording.speech.loud])
    assert all(at(brow, time_s) > 0.5 for time_s in loud_s)
    times_s = np.arange(len(brow)) / FACE_FPS
    away = np.abs(times_s[:, None] - loud_s).min(axis=1) > 0.45
    assert brow[away].max() < 0.05


# text


@pytest.mark.parametrize("voice", VOICES)
def test_homophones_sound_the_same_to_the_byte(voice):
    script = []
    for keyword in KEYWORDS:
        script += [*map(ScriptWord, "The word".split()), ScriptWord(keyword.word, keyword, True)]
        script += map(ScriptWord, "came up again.".split())
    spoken = [
        speak_script(words, Voice(voice, 170, 50), stress_rng=np.random.default_rng(0), seconds=20.0)
        for words in (script, swap_homophones(script))
    ]
    assert spoken[0].waveform.tobytes() == spoken[1].waveform.tobytes()
    assert spoken[0].phones == spoken[1].phones
    assert [word.text for word in spoken[0].words] != [word.text for word in spoken[1].words]


@pytest.mark.parametrize("plan", PLANS)
def test_swapping_homophones_swaps_the_gestures_and_nothing_else(plan):
    one, other = made(plan), make_recording(plan, swap_homophones(make_script(plan)))
    assert one.speech.waveform.tobytes() == other.speech.waveform.tobytes()
    assert np.array_equal(one.face.weights, other.face.weights)
    assert [e.time_s for e in strokes(one, "stress")] == [e.time_s for e in strokes(other, "stress")]
    for recording, twin in ((one, other), (other, one)):
        silent = [event.time_s for event in recording.movements.events if event.cause == "homophone"]
        assert len(silent) == len(strokes(twin, "keyword"))
        for event in strokes(twin, "keyword"):
            assert min(abs(time_s - event.time_s) for time_s in silent) < 0.3
            frame = round(event.time_s * MOTION_FPS)
            for movement in event.movements:
                side = "Right" if movement.targets[0].startswith("Right") else "Left"
                # A stroke near by may be on its way back, slowly; a stroke of its own there is none.
                assert hand_speed_cm_s(recording, side)[frame] < 0.6 * hand_speed_cm_s(twin, side)[frame]


def test_semantic_labels_mark_the_keywords_and_not_their_twins(tmp_path):
    for plan in PLANS:
        recording = made(plan)
        write_semantic_txt(tmp_path / "a.txt", recording.speech, seconds=plan.seconds)
        labels = read_semantic_txt(tmp_path / "a.txt")
        assert labels[0].start_s == 0
        assert labels[-1].end_s == pytest.approx(plan.seconds)
        assert all(a.end_s == b.start_s for a, b in zip(labels, labels[1:], strict=False))
        marked = [label for label in labels if label.name != "01_beat_align"]
        kind = {keyword.word: (keyword.semantic_type, keyword.score) for keyword in KEYWORDS}
        gestures = strokes(recording, "keyword")
        assert [(label.name, label.value) for label in marked] == [kind[event.what] for event in gestures]
        for label, event in zip(marked, gestures, strict=True):
            assert label.start_s < event.time_s < label.end_s


def test_every_two_words_that_can_meet_are_told_apart():
    """espeak-ng says some pairs of small words as one, without phones of the second: none of ours may be such a pair."""
    slots = [text for keyword in KEYWORDS for text in (keyword.word, keyword.twin)]
    voice, spoken = Voice("en-us", 175, 50), set()
    for i in range(max(map(len, CHOICES.values()))):  # every choice meets every template
        chosen = {kind: choices[i % len(choices)] for kind, choices in CHOICES.items()}
        for template in PLAIN_SENTENCES + SLOT_SENTENCES:
            script = []
            for slot in slots if "{slot}" in template else slots[:1]:
                script += map(ScriptWord, template.format(slot=slot, **chosen).split())
            speech = speak_script(script, voice, stress_rng=np.random.default_rng(0), seconds=len(script))
            assert len(speech.words) == len(script), template
            spoken |= {word.text for word in speech.words}
    assert spoken >= set(slots)


def test_every_keyword_has_a_gesture_and_no_twin_has():
    assert set(KEYWORD_GESTURES) == {keyword.word for keyword in KEYWORDS}
    assert not set(KEYWORD_GESTURES) & {keyword.twin for keyword in KEYWORDS}


# speaker


def travel_cm(recording: MadeRecording, side: str) -> float:
    """How far a hand travels in the strokes of the audio; keywords may move both hands of anybody."""
    speed = hand_speed_cm_s(recording, side)
    spans = [event.movements[0] for event in strokes(recording, "stress")]
    inside = np.concatenate([speed[round(m.start_s * MOTION_FPS) : round(m.end_s * MOTION_FPS)] for m in spans])
    return float(inside.sum() / MOTION_FPS)


def test_only_the_speakers_label_tells_the_hand():
    plan = max(PLANS, key=lambda plan: len(made(plan).speech.loud))
    right, left, both = (swapped(plan, speaker=label) for label in ("1", "2", "3"))
    assert [speaker_style(label, 0).handedness for label in ("1", "2", "3")] == ["right", "left", "both"]
    assert travel_cm(right, "Right") > 2 * travel_cm(right, "Left")
    assert travel_cm(left, "Left") > 2 * travel_cm(left, "Right")
    assert 0.5 < travel_cm(both, "Left") / travel_cm(both, "Right") < 2
    for other in (left, both):
        assert other.speech.waveform.tobytes() == right.speech.waveform.tobytes()
        assert other.speech.words == right.speech.words
        assert np.array_equal(other.face.weights, right.face.weights)


def test_speakers_rest_differently():
    elbows_deg = []
    for label in ("1", "2", "3", "4"):
        bvh = swapped(PLANS[0], speaker=label).movements.bvh
        elbows_deg.append(float(bvh.euler_deg()[0, bvh.skeleton.index("LeftForeArm"), 2]))
    assert max(elbows_deg) - min(elbows_deg) > 30


# emotion


def test_only_the_emotions_label_tells_amplitude_tempo_and_posture():
    neutral, angry, sad = (swapped(PLANS[0], emotion=EMOTIONS.index(name)) for name in ("neutral", "anger", "sadness"))
    for other in (angry, sad):
        assert other.speech.waveform.tobytes() == neutral.speech.waveform.tobytes()
        assert np.array_equal(other.face.weights, neutral.face.weights)
        assert [event.time_s for event in strokes(other, "stress")] == [e.time_s for e in strokes(neutral, "stress")]

    def amplitudes(recording: MadeRecording) -> np.ndarray:
        return np.array([event.movements[0].amplitude for event in strokes(recording, "stress")])

    assert (amplitudes(sad) < 0.8 * amplitudes(neutral)).all()
    assert (amplitudes(angry) > 1.1 * amplitudes(neutral)).all()
    bow = {
        name: float(recording.movements.bvh.euler_deg()[:, recording.movements.bvh.skeleton.index("Head"), 0].mean())
        for name, recording in (("neutral", neutral), ("sad", sad))
    }
    assert bow["sad"] > bow["neutral"] + 3


@pytest.mark.parametrize(("name", "relation"), [("anger", -1), ("sadness", 1)])
def test_tempo_is_how_long_a_stroke_lasts(name, relation):
    def stroke_s(emotion: int) -> float:
        """How long the hand keeps at least half of its greatest speed, on average."""
        recording = swapped(PLANS[0], emotion=emotion)
        speed = hand_speed_cm_s(recording, "Right")
        widths = []
        for event in strokes(recording, "stress"):
            peak = round(event.time_s * MOTION_FPS)
            below = np.flatnonzero(speed < speed[peak] / 2)
            widths.append(below[below > peak][0] - below[below < peak][-1])
        return float(np.mean(widths))

    assert np.sign(stroke_s(EMOTIONS.index(name)) - stroke_s(0)) == relation


@pytest.mark.parametrize("emotion", range(8))
def test_emotion_labels_read_back_under_the_names_of_the_styles(emotion, tmp_path):
    write_emotion_csv(tmp_path / "a.csv", emotion, seconds=12.5)
    (interval,), notices = read_emotion_csv(tmp_path / "a.csv")
    assert interval == (0.0, 12.5, emotion, f"{emotion:02d}_{EMOTION_STYLES[emotion].name}")
    assert notices == []
