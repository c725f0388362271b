"""The model inside the package: small, whole, in a wheel too, and at work without any checkpoint of one's own."""

import ast
import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from cause_measures import hand_speed_cm_s
from speech_following import Listener, summarise

import emage
from emage.audio import read_audio
from emage.checkpoint import FILES
from emage.errors import InputError
from emage.export import performance_to_bvh
from emage.generation import Generator
from emage.motion.layout import ARKIT_51
from emage.pretrained import DEFAULT_NAME, FOLDER, pretrained_folder, pretrained_names

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


@pytest.fixture(scope="module")
def generator() -> Generator:
    return emage.load_pretrained()


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("name", pretrained_names())
def test_each_is_a_whole_checkpoint_of_at_most_20_mb_with_nothing_of_a_machine(name):
    files = {path.name: path for path in pretrained_folder(name).iterdir()}
    assert set(files) == set(FILES)
    assert sum(path.stat().st_size for path in files.values()) <= 20e6
    texts = [path.read_text(encoding="utf-8") for path in files.values() if path.suffix in (".yaml", ".json")]
    assert not any(place in text for text in texts for place in ("/home", "/tmp", "/root", "/work"))


def test_a_wheel_holds_every_file_of_it():
    """Read off setup.py: the patterns of package_data, as setuptools matches them, and the packages."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    call = next(
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    data = ast.literal_eval(next(word.value for word in call.keywords if word.arg == "package_data"))
    for path in (FOLDER / DEFAULT_NAME).iterdir():
        place = str(path.relative_to(ROOT / "emage"))
        assert any(fnmatch.fnmatch(place, pattern) for pattern in data["emage"]), place
    assert (FOLDER / "__init__.py").is_file()


def test_it_is_the_default_and_known_by_its_name(generator):
    assert generator.makes_face
    assert generator.draws
    again = emage.load_pretrained(DEFAULT_NAME)
    for name, value in generator.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)


def test_another_name_is_told_with_those_that_are_there(tmp_path):
    with pytest.raises(InputError, match=f"there: {DEFAULT_NAME}"):
        pretrained_folder("beat")
    with pytest.raises(InputError, match="nothing: no such folder"):
        emage.load_pretrained("nothing")


def test_a_folder_of_ones_own_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT_NAME).mkdir()
    with pytest.raises(InputError, match="not a checkpoint folder"):
        emage.load_pretrained(DEFAULT_NAME)
    emage.load_pretrained()  # nobody named it: the package's own


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.37])
def test_lengths_are_exact_and_all_is_finite(generator, seconds):
    performance = generator.generate(noise(seconds), RATE)
    num_frames = round(seconds * generator.fps)
    assert performance.motion.shape[0] == num_frames
    assert performance.face.shape == (num_frames, len(ARKIT_51))
    assert performance.motion.isfinite().all()
    assert (performance.face >= 0).all()
    assert (performance.face <= 1).all()


def test_a_seed_gives_the_same_again_and_another_one_another(generator):
    one, again, other = (generator.generate(noise(2.0), RATE, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.motion, again.motion)
    assert torch.equal(one.face, again.face)
    assert not torch.equal(one.motion, other.motion)


def liveliness(generator: Generator, sound: np.ndarray) -> tuple[float, float]:
    """Mean speed of the hands against the chest (cm/s) and spread of jawOpen, over two seeds."""
    rows = []
    for seed in (0, 1):
        performance = generator.generate(sound, RATE, seed=seed)
        body = performance_to_bvh(performance)
        speed = hand_speed_cm_s(body.positions().numpy(), body.names, performance.fps)
        rows.append((speed.mean(), float(performance.face[:, ARKIT_51.index("jawOpen")].std())))
    return tuple(np.mean(rows, axis=0))


def test_it_moves_to_real_speech_and_idles_in_silence_and_noise(generator, beat_sample):
    speech = read_audio(next(beat_sample.rglob("*.wav")), RATE)[: 12 * RATE]
    hands, jaw = liveliness(generator, speech)
    assert hands > 20
    assert jaw > 0.1
    quiet = liveliness(generator, 0.1 * speech)
    assert 0.6 * hands < quiet[0] < 1.6 * hands  # how loud it was recorded does not matter
    for sound in (np.zeros(12 * RATE, np.float32), noise(12.0, 0.01), noise(12.0, 0.1)):
        idle = liveliness(generator, sound)
        assert idle[0] < 0.6 * hands
        assert idle[1] < 0.3 * jaw


def test_strokes_and_mouth_follow_real_speech(generator, beat_sample):
    """Some seeds of what tools/evaluate_pretrained.py measures with more; the strokes' excess is small, the jaw's is not."""
    speech = read_audio(next(beat_sample.rglob("*.wav")), RATE)
    listener = Listener(speech, RATE, generator.fps, num_shifts=20)
    rows = [listener.scores(generator.generate(speech, RATE, seed=seed)) for seed in range(12)]
    beats, jaw = (summarise(np.stack([row[measure] for row in rows])) for measure in ("beats", "jaw"))
    assert beats.low > 0
    assert jaw.matched > jaw.highest_shifted
    assert jaw.excess > 0.3
