import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundles import autoencoder_bundle, camn_bundle, skeleton, vqvae_bundle

from emage.audio import frame_to_sample
from emage.checkpoint import save_bundle
from emage.errors import InputError, collected_warnings
from emage.generation import Generator, load_pretrained, word_ids
from emage.text import Word
from emage.vocabulary import PAD, UNK, Vocabulary

RATE = 16000


def speech(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise whose loudness comes and goes."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(times))
    return (0.2 * noise * np.sin(3 * times) ** 2).astype(np.float32)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(camn_bundle())


def test_motion_and_face_are_what_the_network_says_in_the_units_of_the_layout(generator):
    waveform, words = speech(4.0), [Word("First,", 0.5, 0.9), Word("zebra", 1.0, 1.5)]
    result = generator.generate(waveform, RATE, words=words, speaker="4", emotion=3)
    ids = torch.full((1, 60), PAD)
    ids[0, 8:14], ids[0, 15:23] = 5, UNK  # frames at k / 15 s with start <= t < end
    with torch.no_grad():
        output = generator.model(
            torch.from_numpy(waveform)[None],
            ids,
            torch.tensor([3]),
            torch.full((1, 60), 3),
            fps=15.0,
            sample_rate=RATE,
        )
    statistics = generator.bundle.statistics
    torch.testing.assert_close(result.motion, statistics.denormalise(output.motion[0], "beat_141"))
    torch.testing.assert_close(result.face, statistics.denormalise(output.face[0], "arkit_51").clamp(0, 1))
    assert (result.layout, result.fps, result.face_given) == ("beat_141", 15.0, False)
    assert result.skeleton == skeleton(2.0)  # that of speaker 4
    assert torch.equal(result.fill, statistics.mean_pose)


@given(
    num_samples=st.integers(1600, 60000), rate=st.sampled_from([8000, 16000, 22050]), fps=st.sampled_from([15.0, 29.97])
)
@settings(max_examples=25, deadline=None)
def test_any_length_gives_exactly_the_frames_of_its_duration(num_samples, rate, fps):
    result = Generator(camn_bundle(fps=fps)).generate(np.full(num_samples, 0.1), rate)
    assert result.num_frames == round(num_samples / rate * fps)
    assert result.motion.isfinite().all()
    assert len(result.face) == result.num_frames


def test_the_samples_of_n_frames_give_n_frames(generator):
    for num_frames in (1, 2, 7, 34, 101):
        waveform = np.zeros(frame_to_sample(num_frames, 15.0, RATE), np.float32)
        assert generator.generate(waveform, RATE).num_frames == num_frames


def test_a_predicted_face_stays_within_the_range_of_its_weights():
    bundle = camn_bundle()
    bundle.statistics.stds["arkit_51"] *= 1000
    face = Generator(bundle).generate(speech(2.0), RATE).face
    assert (face.min(), face.max()) == (0, 1)


def test_speech_at_another_rate_says_the_same(generator):
    times = np.arange(3 * 48000) / 48000
    tone = (0.3 * np.sin(2 * np.pi * 180 * times) * np.sin(5 * times)).astype(np.float32)
    one, other = generator.generate(tone, 48000).motion, generator.generate(tone[::3].copy(), RATE).motion
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)


def test_the_same_input_gives_the_same_result_and_the_network_stays_in_evaluation_mode(generator):
    generator.model.eval()
    weights = {name: value.clone() for name, value in generator.model.state_dict().items()}
    first, second = (generator.generate(torch.from_numpy(speech(3.0)), RATE) for _ in range(2))
    assert torch.equal(first.motion, second.motion)
    assert not any(module.training for module in generator.model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in generator.model.state_dict().items())
    assert not first.motion.requires_grad


def test_each_input_matters(generator):
    plain = generator.generate(speech(3.0), RATE, speaker="2").motion
    others = {
        "speech": generator.generate(speech(3.0, seed=1), RATE, speaker="2"),
        "words": generator.generate(speech(3.0), RATE, speaker="2", words=[Word("thing", 1.0, 2.0)]),
        "speaker": generator.generate(speech(3.0), RATE, speaker="4"),
        "emotion": generator.generate(speech(3.0), RATE, speaker="2", emotion=6),
    }
    assert [name for name, other in others.items() if torch.allclose(plain, other.motion)] == []
    assert torch.equal(plain, generator.generate(speech(3.0), RATE).motion)  # no speaker: the first


def test_one_emotion_for_all_frames_is_the_same_as_one_for_each(generator):
    one = generator.generate(speech(3.0), RATE, emotion=2).motion
    each = generator.generate(speech(3.0), RATE, emotion=np.full(45, 2)).motion
    half = generator.generate(speech(3.0), RATE, emotion=np.repeat([2, 5], [20, 25])).motion
    assert torch.equal(one, each)
    assert not torch.allclose(one, half)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"waveform": np.zeros(500, np.float32)}, "500 samples at 16000 Hz"),
        ({"waveform": np.zeros(0, np.float32)}, "empty"),
        ({"waveform": np.array([0.0, np.nan] * 9000, np.float32)}, "sample 1 is nan"),
        ({"waveform": np.zeros((2, 16000), np.float32)}, r"shape \(2, 16000\); expected one channel"),
        ({"waveform": ["a", "b"]}, "speech: got values of type"),
        ({"sample_rate": 0}, "speech: sample_rate: got 0"),
        ({"sample_rate": float("nan")}, "speech: sample_rate: got nan"),
        ({"emotion": 2.7}, "emotion: got 2.7; expected whole numbers"),
        ({"emotion": np.full(45, 2.5)}, "emotion: got 2.5"),
        ({"emotion": "anger"}, "emotion: got values of type"),
        ({"seed": -1}, "seed: got -1; it must be a whole number"),
        ({"speaker": "99"}, "'99' is unknown here; known: 2, 4"),
        ({"emotion": 8}, "labels from 8 to 8; the model knows 0 to 7"),
        ({"emotion": np.zeros(14, int)}, r"got shape \(14,\)"),
        ({"face": np.zeros((15, 51))}, "takes no face"),
        ({"seed_motion": np.zeros((4, 141))}, r"takes none \(model.seed_frames=0\)"),
    ],
)
def test_what_cannot_be_used_is_named(generator, changes, message):
    values = {"waveform": speech(1.0), "sample_rate": RATE} | changes
    with pytest.raises(InputError, match=message):
        generator.generate(**values)


def test_a_given_face_is_needed_used_and_handed_on():
    generator = Generator(camn_bundle(face_input=True, predict_face=False))
    with pytest.raises(InputError, match="captured face"):
        generator.generate(speech(2.0), RATE)
    with pytest.raises(InputError, match=r"got shape \(29, 51\); expected \(30, 51\)"):
        generator.generate(speech(2.0), RATE, face=np.zeros((29, 51)))
    for value in (np.nan, 1e30, -2.5):
        with pytest.raises(InputError, match="face: frame 0 holds .* in column 0; expected numbers from -2 to 2"):
            generator.generate(speech(2.0), RATE, face=np.full((30, 51), value))
    faces = [np.full((30, 51), value, np.float32) for value in (0.0, 0.5)]
    still, open_mouth = (generator.generate(speech(2.0), RATE, face=face) for face in faces)
    assert not torch.allclose(still.motion, open_mouth.motion)
    assert open_mouth.face_given
    assert torch.equal(open_mouth.face, torch.from_numpy(faces[1]))


def test_seed_frames_are_taken_in_the_units_of_the_layout():
    generator = Generator(camn_bundle(seed_frames=4))
    mean = generator.bundle.statistics.means["beat_141"]
    without = generator.generate(speech(2.0), RATE).motion
    seeded = generator.generate(speech(2.0), RATE, seed_motion=mean.expand(4, -1))
    with torch.no_grad():
        output = generator.model(
            torch.from_numpy(speech(2.0))[None],
            torch.zeros(1, 30, dtype=torch.int64),
            torch.tensor([1]),
            torch.zeros(1, 30, dtype=torch.int64),
            seed_motion=torch.zeros(1, 4, 141),  # the mean, z-scored
            fps=15.0,
            sample_rate=RATE,
        )
    torch.testing.assert_close(seeded.motion, generator.bundle.statistics.denormalise(output.motion[0], "beat_141"))
    assert not torch.allclose(without, seeded.motion)
    with pytest.raises(InputError, match=r"seed frames: got shape \(3, 141\); expected \(4, 141\)"):
        generator.generate(speech(2.0), RATE, seed_motion=mean.expand(3, -1))
    for value in (np.inf, 1e19, -1e7):
        bad = mean.repeat(4, 1)
        bad[2, 9] = value
        with pytest.raises(
            InputError, match=r"seed frames: frame 2 holds .* in column 9; expected numbers from -1e\+06"
        ):
            generator.generate(speech(2.0), RATE, seed_motion=bad)
    listed = generator.generate(speech(2.0), RATE, seed_motion=mean.expand(4, -1).tolist())
    assert torch.equal(listed.motion, seeded.motion)
    with collected_warnings() as messages:
        assert generator.generate(speech(0.14), RATE, seed_motion=mean.expand(4, -1)).num_frames == 2
    assert messages == ["seed frames: got 4 for speech of 2 frames; the last 2 are cut off"]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 0.1])
def test_a_result_is_resampled_to_a_rate_that_gives_frames(generator, fps):
    with pytest.raises(InputError, match="^frame rate: "):
        generator.generate(speech(1.0), RATE).resample(fps)


def test_word_ids_follow_the_clock():
    vocabulary = Vocabulary(["the", "first"])
    words = [Word("The", 0.1, 0.3), Word("unheard", 0.3, 0.4), Word("...", 0.5, 0.6)]
    assert word_ids(words, vocabulary, num_frames=8, fps=10).tolist() == [PAD, 4, 4, UNK, PAD, PAD, PAD, PAD]
    assert word_ids([], vocabulary, num_frames=3, fps=10).tolist() == [PAD] * 3


@pytest.mark.parametrize("bundle", [autoencoder_bundle(), vqvae_bundle()], ids=lambda bundle: bundle.config.model.name)
def test_a_model_that_does_not_generate_is_refused(bundle):
    with pytest.raises(InputError, match=f"{bundle.config.model.name} makes no motion from speech"):
        Generator(bundle)


def test_load_pretrained_needs_the_folder_alone_or_the_run_that_holds_it(tmp_path, generator):
    save_bundle(tmp_path / "run" / "best", generator.bundle)
    expected = generator.generate(speech(2.0), RATE, words=[Word("first", 0, 1)]).motion
    for folder in (tmp_path / "run" / "best", str(tmp_path / "run")):
        result = load_pretrained(folder).generate(speech(2.0), RATE, words=[Word("first", 0, 1)])
        assert torch.equal(result.motion, expected)
    with pytest.raises(InputError, match="no such folder"):
        load_pretrained(tmp_path / "nothing")
