"""Generation with a masked transformer: random weights, so only what holds for any weights is tested here."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundles import camn_bundle, masked_bundle

from emage.checkpoint import load_bundle, save_bundle
from emage.completion import Given, joint_places
from emage.config import GenerationConfig
from emage.errors import InputError, collected_warnings
from emage.generation import Generator
from emage.motion import rotation
from emage.motion.convert import convert, from_matrices, to_matrices
from emage.motion.layout import get_layout
from emage.text import Word

RATE, FPS = 16000, 15.0
LAYOUT = get_layout("beat_full_rot6d")
FEW = GenerationConfig(steps=2)


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(times))
    return (0.2 * noise * np.sin(3 * times) ** 2).astype(np.float32)


def some_motion(num_frames: int, seed: int = 0) -> torch.Tensor:
    """Slow random turns, (T, D)."""
    draw = torch.Generator().manual_seed(seed)
    axis = torch.randn(LAYOUT.num_joints, 3, generator=draw)
    angle = 0.3 * torch.sin(torch.arange(num_frames)[:, None] * 0.3 + torch.arange(LAYOUT.num_joints))
    matrix = rotation.axis_angle_to_matrix(angle[..., None] * torch.nn.functional.normalize(axis, dim=-1))
    return from_matrices(matrix, LAYOUT, torch.zeros(num_frames, 3))


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(masked_bundle())


@settings(max_examples=15, deadline=None)
@given(num_samples=st.integers(1600, 150000), steps=st.integers(1, 3))
def test_any_length_gives_exactly_the_frames_of_its_duration(num_samples, steps):
    made = Generator(masked_bundle()).generate(np.full(num_samples, 0.1), RATE, options=GenerationConfig(steps=steps))
    assert made.num_frames == round(num_samples / RATE * FPS) == len(made.face)
    assert made.motion.isfinite().all()
    assert torch.equal(made.face, made.face.clamp(0, 1))
    matrix = to_matrices(made.motion, LAYOUT)
    torch.testing.assert_close(matrix @ matrix.transpose(-1, -2), torch.eye(3).expand_as(matrix), atol=1e-4, rtol=0)


@pytest.mark.parametrize("coherence_s", [0.0, 0.8])
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_motion(generator, coherence_s):
    options = GenerationConfig(steps=2, coherence_s=coherence_s)
    first, second = (generator.generate(speech(6.0), RATE, seed=3, options=options) for _ in range(2))
    assert torch.equal(first.motion, second.motion)
    assert torch.equal(first.face, second.face)
    other = generator.generate(speech(6.0), RATE, seed=4, options=options)
    assert not torch.equal(first.motion, other.motion)


def test_temperature_zero_draws_nothing(generator):
    certain = GenerationConfig(steps=1, temperature=0.0)
    first, second = (generator.generate(speech(3.0), RATE, seed=seed, options=certain) for seed in (0, 1))
    assert torch.equal(first.motion, second.motion)


def test_coherent_chance_stays_with_its_codes_for_longer(generator, monkeypatch):
    """Temperature 5: chance decides, not the network."""
    tokenizer, seen = generator.model.tokenizer, []
    decode = tokenizer.decode_latents
    monkeypatch.setattr(
        tokenizer, "decode_latents", lambda latents, frames: seen.append(latents) or decode(latents, frames)
    )
    for coherence_s in (0.0, 1.5):
        options = GenerationConfig(steps=1, temperature=5.0, coherence_s=coherence_s)
        generator.generate(speech(20.0), RATE, options=options)
    for part in tokenizer.parts:
        independent, coherent = (float(latents[part][0].diff(dim=0).norm(dim=-1).mean()) for latents in seen)
        assert coherent < 0.7 * independent, part


@pytest.mark.parametrize("coherence_s", [0.0, 0.8])
def test_what_comes_later_does_not_change_what_is_drawn_in_one_pass(generator, coherence_s):
    options = GenerationConfig(steps=1, coherence_s=coherence_s)
    long, short = (generator.generate(speech(9.0)[: round(s * RATE)], RATE, options=options) for s in (9.0, 8.0))
    frames = 4 * 15  # the windows of both begin alike; the last ones differ
    assert torch.equal(long.motion[:frames], short.motion[:frames])


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_each_input_counts_and_can_be_left_out(generator, guidance):
    options = GenerationConfig(steps=1, temperature=0.0, guidance=guidance)
    words = [Word("first", 0.2, 0.8), Word("monday", 1.0, 1.7)]
    full = {"words": words, "speaker": "4", "emotion": 3, "options": options}
    base = generator.generate(speech(2.0), RATE, **full)
    for name in ("audio", "words", "speaker", "emotion"):
        without = generator.generate(speech(2.0), RATE, **full, without=[name])
        assert not torch.equal(base.motion, without.motion), name
    silent = generator.generate(speech(2.0), RATE, **full, without=["audio"])
    other = generator.generate(speech(2.0, seed=5), RATE, **full, without=["audio"])
    assert torch.equal(silent.motion, other.motion)
    unsaid = generator.generate(speech(2.0), RATE, **(full | {"words": None}))
    assert torch.equal(unsaid.motion, generator.generate(speech(2.0), RATE, **full, without=["words"]).motion)


def test_unknown_words_are_told_apart(generator):
    options = GenerationConfig(steps=1, temperature=0.0)
    made = [
        generator.generate(speech(2.0), RATE, words=[Word(word, 0.0, 2.0)], options=options).motion
        for word in ("zebra", "quilt", "ocean", "zebra")
    ]
    assert torch.equal(made[0], made[3])
    assert not torch.equal(made[0], made[1]) or not torch.equal(made[0], made[2])


def test_a_given_arm_comes_back_and_the_rest_is_completed(generator):
    motion = some_motion(90)
    given_arm = Given.stretch(motion, LAYOUT.name, names=("RightArm", "RArm1"), start_frame=30, stop_frame=75)
    made = generator.generate(speech(6.0), RATE, given=given_arm, options=FEW)
    places = joint_places("RightArm", LAYOUT) + joint_places("RightForeArm", LAYOUT)
    wanted, found = (to_matrices(x, LAYOUT)[30:75, places] for x in (motion, made.motion))
    assert rotation.angle_between(wanted, found).max() < np.deg2rad(0.1)
    free = generator.generate(speech(6.0), RATE, options=FEW)
    assert not torch.equal(free.motion, made.motion)


def test_a_given_part_and_facial_channels_come_back(generator):
    face = torch.rand(30, 51)
    channels = torch.zeros(30, 51, dtype=torch.bool)
    channels[5:20, 24] = True
    lower = Given.stretch(some_motion(30), LAYOUT.name, names=("lower",))
    kept = Given(lower.motion, lower.joints, face, channels)
    made = generator.generate(speech(2.0), RATE, given=kept, options=FEW)
    columns = LAYOUT.part_columns("lower")
    assert torch.equal(made.motion[:, columns], lower.motion[:, columns])
    assert torch.equal(made.face[channels], face[channels])


def test_seed_frames_of_any_number_come_back(generator):
    seed_motion = some_motion(7)
    made = generator.generate(speech(2.0), RATE, seed_motion=seed_motion, options=FEW)
    assert torch.equal(made.motion[:7], seed_motion)


def test_parts_without_a_tokenizer_stand_in_the_mean_pose():
    folders = dict(list(masked_bundle().config.model.tokenizers.items())[:2])  # upper and hands
    bundle = masked_bundle(tokenizers=folders)
    made = Generator(bundle).generate(speech(2.0), RATE, options=FEW)
    assert made.face is None
    legs = LAYOUT.part_columns("lower")
    still = convert(bundle.statistics.mean_pose, "beat_full", LAYOUT)[legs]
    torch.testing.assert_close(made.motion[:, legs], still.expand(30, -1), atol=1e-5, rtol=0)


def test_a_checkpoint_holds_its_tokenizers(tmp_path):
    bundle = masked_bundle()
    bundle.config.model.tokenizers = dict.fromkeys(bundle.config.model.tokenizers, "gone/away")
    save_bundle(tmp_path / "best", bundle)
    made, again = (
        Generator(b).generate(speech(2.0), RATE, options=FEW) for b in (bundle, load_bundle(tmp_path / "best"))
    )
    assert torch.equal(made.motion, again.motion)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"without": ["sound"]}, "without: got 'sound'; choose from audio, words, speaker, emotion"),
        ({"given": Given(motion=torch.zeros(3, 4), joints=torch.zeros(30, 76, dtype=torch.bool))}, "given motion: got shape"),
        ({"given": Given(motion=some_motion(30))}, "it needs `joints`"),
        ({"seed_motion": np.zeros((4, 7))}, r"seed frames: got shape \(4, 7\)"),
        ({"emotion": 9}, "emotion: got labels from 9 to 9"),
        ({"speaker": "zoe"}, "zoe"),
        ({"face": np.zeros((30, 51))}, "face: this model takes no face"),
    ],
)  # fmt: skip
def test_input_that_cannot_be_used(generator, arguments, message):
    with pytest.raises(InputError, match=message):
        generator.generate(speech(2.0), RATE, **arguments)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30, 1e19, -1e10, 1.1e6])
def test_given_values_that_are_not_finite_or_too_great_are_refused(generator, value):
    motion, face = some_motion(30), torch.zeros(30, 51)
    motion[3, 40] = face[4, 24] = value
    with pytest.raises(InputError, match=r"given motion: frame 3 holds .* in column 40; expected numbers from -1e\+06"):
        generator.generate(speech(2.0), RATE, given=Given.stretch(motion, LAYOUT.name))
    with pytest.raises(InputError, match=r"seed frames: frame 3 holds .* in column 40; expected numbers from -1e\+06"):
        generator.generate(speech(2.0), RATE, seed_motion=motion)
    channels = torch.ones(30, 51, dtype=torch.bool)
    with pytest.raises(InputError, match="given face: frame 4 holds .* in column 24; expected numbers from -2 to 2"):
        generator.generate(speech(2.0), RATE, given=Given(face=face, channels=channels))
    channels[4, 24] = False  # what is not given may be anything
    assert generator.generate(speech(2.0), RATE, given=Given(face=face, channels=channels)).motion.isfinite().all()


def test_the_greatest_given_values_give_finite_motion(generator):
    motion = some_motion(30)
    motion[3] = 1e6
    made = generator.generate(speech(2.0), RATE, given=Given.stretch(motion, LAYOUT.name, stop_frame=5))
    assert made.motion.isfinite().all()


@pytest.mark.parametrize("kind", ["float16", "float64", ">f4", "list"])
def test_given_motion_may_be_arrays_or_lists(generator, kind):
    motion, joints = some_motion(30).half().float(), torch.zeros(30, 76, dtype=torch.bool)
    joints[4:9] = True
    expected = generator.generate(speech(2.0), RATE, given=Given(motion, joints), options=FEW).motion
    rows = motion.tolist() if kind == "list" else motion.numpy().astype(kind)
    mask = joints.tolist() if kind == "list" else joints.numpy()
    made = generator.generate(speech(2.0), RATE, given=Given(rows, mask), options=FEW).motion
    assert torch.equal(made, expected)
    assert torch.equal(made[4:9], motion[4:9])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given([[1.0], [1.0, 2.0]], np.zeros((30, 76), bool)), "given motion: not an array of numbers"),
        (Given("motion", np.zeros((30, 76), bool)), "given motion: got values of type"),
        (Given(np.zeros((30, 453)), np.full((30, 76), 2)), "given joints: got values other than 0 and 1"),
        (Given(np.zeros((29, 453)), np.zeros((30, 76), bool)), r"given motion: got shape \(29, 453\); expected \(30, 453\)"),
        (Given(np.full((30, 453), 1e39), np.ones((30, 76), bool)), "given motion: frame 0 holds inf"),
        (Given(face=np.zeros((30, 52)), channels=np.zeros((30, 52), bool)), r"given face: got shape \(30, 52\)"),
    ],
)  # fmt: skip
def test_given_motion_of_another_kind_is_refused(generator, given, message):
    with pytest.raises(InputError, match=message):
        generator.generate(speech(2.0), RATE, given=given)


def test_a_stretch_takes_an_array_and_one_name():
    motion = some_motion(30)
    one, other = (Given.stretch(m, LAYOUT.name, names=n) for m, n in ((motion, ("upper",)), (motion.numpy(), "upper")))
    assert torch.equal(one.motion, other.motion)
    assert torch.equal(one.joints, other.joints)
    with pytest.raises(InputError, match=r"given motion: got shape \(30, 5\)"):
        Given.stretch(motion[:, :5], LAYOUT.name)


def test_seed_frames_beyond_the_speech_are_cut_off_with_a_warning(generator):
    seed_motion = some_motion(41)
    with collected_warnings() as messages:
        made = generator.generate(speech(2.0), RATE, seed_motion=seed_motion, options=FEW)
    assert messages == ["seed frames: got 41 for speech of 30 frames; the last 11 are cut off"]
    assert torch.equal(made.motion, seed_motion[:30])
    with collected_warnings() as messages:
        generator.generate(speech(2.0), RATE, seed_motion=seed_motion[:30], options=FEW)
    assert messages == []


@pytest.mark.parametrize("coherence_s, is_off", [(0.0, False), (0.01, True), (0.19, True), (0.21, False), (2.0, False)])
def test_a_coherence_below_two_steps_is_off_with_a_warning(generator, coherence_s, is_off):
    """Two steps of this model last 4 frames, 0.267 s; 1.5 steps round to two."""
    options = GenerationConfig(steps=2, coherence_s=coherence_s)
    with collected_warnings() as messages:
        made = generator.generate(speech(2.0), RATE, options=options).motion
    assert [message.split(":")[0] for message in messages] == ["generation.coherence_s"] * is_off
    off = generator.generate(speech(2.0), RATE, options=GenerationConfig(steps=2)).motion
    assert torch.equal(made, off) is (is_off or coherence_s == 0)


@pytest.mark.parametrize(
    "seed", [-1, 2**63, 1.0, None, True, "1", [], (3, -1), torch.tensor(1.0), torch.tensor(True), np.zeros((1, 2), int)]
)
def test_a_seed_is_a_whole_number_from_0_to_2_to_the_63_less_1(generator, seed):
    with pytest.raises(InputError, match="^seed: got"):
        generator.generate(speech(1.0), RATE, seed=seed)


@pytest.mark.parametrize(
    "seed, same",
    [
        (2**63 - 1, np.uint64(2**63 - 1)),
        (5, np.int64(5)),
        (5, torch.tensor(5)),
        (5, np.array(5)),
        (5, torch.tensor(5, dtype=torch.uint8)),
        ((3, 4), np.array([3, 4])),
        ((3, 4), torch.tensor([3, 4])),
        ((3, 4), [torch.tensor(3), np.int32(4)]),
    ],
)
def test_a_seed_may_be_of_numpy_or_torch(generator, seed, same):
    one, other = (generator.generate(speech(1.0), RATE, seed=value, options=FEW).motion for value in (seed, same))
    assert torch.equal(one, other)


def test_options_are_checked_again_when_they_are_used(generator):
    options = GenerationConfig()
    options.steps = 0
    with pytest.raises(InputError, match="generation.steps: got 0"):
        generator.generate(speech(1.0), RATE, options=options)


@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-5, 100.0])
def test_a_temperature_at_the_ends_of_its_range_gives_finite_motion(generator, temperature):
    options = GenerationConfig(steps=2, temperature=temperature, guidance=100.0)
    made = generator.generate(speech(1.0), RATE, options=options).motion
    assert made.isfinite().all()
    if temperature < 1:
        options.temperature = 0.0
        assert torch.equal(made, generator.generate(speech(1.0), RATE, options=options).motion)


def test_frames_and_names_of_a_stretch_are_checked():
    with pytest.raises(InputError, match="frames 5 to 50 of 30"):
        Given.stretch(some_motion(30), LAYOUT.name, start_frame=5, stop_frame=50)
    with pytest.raises(InputError, match="no joint 'Tail'"):
        Given.stretch(some_motion(30), LAYOUT.name, names=("Tail",))


def test_camn_has_no_such_options():
    with pytest.raises(InputError, match="camn takes no given motion"):
        Generator(camn_bundle()).generate(speech(1.0), RATE, without=["audio"])
