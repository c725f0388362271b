"""A trained face trunk as the face path of CaMN and of the masked transformer, from its checkpoint to a performance."""

import dataclasses
from pathlib import Path

import pytest
import torch
from training.test_tasks import WindowCorpus, collate, draw_seeds, small_config, task_of

from emage.checkpoint import Bundle, load_bundle, save_bundle
from emage.completion import Given
from emage.config import Config, DataConfig
from emage.errors import InputError
from emage.face_config import FaceConfig, FaceLossConfig, MixtureConfig, MixtureCorpusConfig
from emage.face_trunk import with_face_trunk
from emage.generation import Generator
from emage.models.face import FaceTrunk
from emage.motion.face_statistics import FaceStatistics
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary

SMALL = FaceConfig(num_speakers=4, audio_channels=[4, 4, 4, 8, 8, 8], channels=16, num_layers=2, dropout=0.0)
MODELS = {"camn": {"face_input": False, "predict_face": True, "seed_frames": 0}, "masked_transformer": {}}


def trunk_folder(folder: Path, *, formats=("emoca", "raw"), fps: float = 15.0, neutral_share: float = 0.1) -> str:
    """A trunk with random weights, trained on a corpus `tracked` and one `phone` that knows the speaker 2."""
    torch.manual_seed(1)
    sizes = dataclasses.replace(SMALL, neutral_share=neutral_share)
    model = FaceTrunk(sizes).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    data = DataConfig(format=formats[0], fps=fps)
    mixture = MixtureConfig(main="tracked", corpora={"phone": MixtureCorpusConfig(format=formats[1])})
    save_bundle(
        folder,
        Bundle(
            model=model,
            config=Config(data=data, model=sizes, loss=FaceLossConfig(), mixture=mixture),
            statistics=FaceStatistics.of(torch.zeros(2, 157), torch.ones(2, 157)),
            vocabulary=Vocabulary([]),
            speakers=SpeakerTable({"phone/2": 1, "tracked/1": 2}),
            info={"model": "face", "steps": 3},
        ),
    )
    return str(folder)


def built(name: str, folder: str, **model):
    config = with_face_trunk(small_config(name, **(MODELS[name] | {"face_trunk": folder} | model)))
    corpus = WindowCorpus(config)
    torch.manual_seed(0)
    task = task_of(config, corpus)
    return config, corpus, task, task.build_model().eval()


@pytest.mark.parametrize("name", MODELS)
def test_the_face_is_the_trunks_in_the_units_of_the_generators_corpus(name, tmp_path):
    folder = trunk_folder(tmp_path / "trunk")
    config, corpus, _, model = built(name, folder)
    trunk = load_bundle(folder).model
    batch = collate(corpus.windows("train")[:3])
    speaker = torch.tensor([1, 0, 2])  # labels 2, 1, 3: the first is known to the corpus of weights, nobody else is
    options = {"num_frames": batch["face"].shape[1], "fps": config.data.fps, "sample_rate": config.data.sample_rate}
    made = model.face_path(batch["waveform"], speaker, **options)
    wanted = trunk(batch["waveform"], torch.tensor([1, 1, 1]), torch.tensor([1, 0, 0]), **options).heads["arkit"]
    torch.testing.assert_close(made, wanted)
    weights = model.face_path.denormalise(made)
    torch.testing.assert_close(weights, corpus.statistics.denormalise(made, "arkit_51"), atol=1e-5, rtol=0)


def test_a_trunk_that_knows_no_weights_begins_between_its_corpora_as_nobody(tmp_path):
    folder = trunk_folder(tmp_path / "trunk", formats=("emoca", "singinghead"))
    *_, model = built("camn", folder)
    trunk = load_bundle(folder).model
    path = model.face_path.trunk
    torch.testing.assert_close(path.corpus_embedding.weight[0], trunk.corpus_embedding.weight[:2].mean(dim=0))
    assert torch.equal(
        path.speaker_embedding.weight, trunk.speaker_embedding.weight[:1].expand_as(path.speaker_embedding.weight)
    )


@pytest.mark.parametrize("name", MODELS)
def test_training_moves_the_trunk_and_lowers_the_error_of_the_face(name, tmp_path):
    config, corpus, task, model = built(name, trunk_folder(tmp_path / "trunk"))
    batch = collate(corpus.windows("train")[:4])
    batch |= {"draw_seed": draw_seeds(0, 0, range(4)), "progress": torch.tensor(1.0)}
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = model.face_path.trunk.heads["arkit"].weight.detach().clone()
    first = task.eval_step(model, batch)["face"].item()
    for _ in range(80):
        optimizer.zero_grad()
        loss, _ = task.train_step(model, batch)
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.face_path.parameters())  # DDP wants every one
        optimizer.step()
    assert task.eval_step(model, batch)["face"].item() < 0.8 * first
    assert not torch.equal(model.face_path.trunk.heads["arkit"].weight, before)


@pytest.mark.parametrize("name", MODELS)
def test_what_was_not_captured_of_a_face_does_not_count(name, tmp_path):
    _, corpus, task, model = built(name, trunk_folder(tmp_path / "trunk"))
    batch = collate(corpus.windows("train")[:4])
    batch |= {"draw_seed": draw_seeds(0, 0, range(4)), "progress": torch.tensor(1.0)}
    found = []
    for junk in (0.0, float("nan")):
        spoiled = {key: value.clone() for key, value in batch.items()}
        spoiled["face_valid"][:, 5:9], spoiled["face"][:, 5:9] = False, junk
        found.append(task.eval_step(model, spoiled)["face"])
    assert torch.equal(*found)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_with_a_trunk_needs_nothing_else_and_makes_the_same_face(name, tmp_path):
    config, corpus, _, model = built(name, trunk_folder(tmp_path / "trunk"))
    bundle = Bundle(
        model, config, corpus.statistics, corpus.vocabulary, corpus.speakers, corpus.skeletons, {"model": name}
    )
    save_bundle(tmp_path / "run", bundle)
    (tmp_path / "trunk").rename(tmp_path / "gone")
    again = load_bundle(tmp_path / "run")
    assert again.config == config
    waveform = torch.randn(35 * 1600, generator=torch.Generator().manual_seed(0)).numpy() * 0.1
    faces = [Generator(each).generate(waveform, 16000, speaker="2").face for each in (bundle, again)]
    assert torch.equal(*faces)
    assert faces[0].shape == (round(3.5 * config.data.fps), 51)
    assert 0 <= faces[0].min() <= faces[0].max() <= 1
    assert faces[0].std(dim=0).max() > 0.01


def test_given_channels_come_back_beside_the_trunks(tmp_path):
    config, corpus, _, model = built("masked_transformer", trunk_folder(tmp_path / "trunk"))
    bundle = Bundle(model, config, corpus.statistics, corpus.vocabulary, corpus.speakers, corpus.skeletons)
    generator = Generator(bundle)
    assert generator.makes_face
    assert "face" not in model.parts
    channels = torch.zeros(45, 51, dtype=torch.bool)
    channels[10:20, :5] = True
    given = torch.rand(45, 51, generator=torch.Generator().manual_seed(0))
    waveform = torch.randn(48000, generator=torch.Generator().manual_seed(0)).numpy() * 0.1
    made = generator.generate(waveform, 16000, given=Given(face=given, channels=channels)).face
    assert torch.equal(made[10:20, :5], given[10:20, :5])
    deaf = generator.generate(waveform, 16000, without=("audio",)).face
    silent = generator.generate(0 * waveform, 16000).face
    assert torch.equal(deaf, silent)
    assert not torch.equal(deaf, generator.generate(waveform, 16000).face)


def test_a_trunk_that_does_not_fit_is_refused(tmp_path):
    folder = trunk_folder(tmp_path / "trunk", fps=30.0)
    config = small_config("camn", **MODELS["camn"], face_trunk=folder)
    with pytest.raises(InputError, match=r"model.face_trunk: .*data.fps=30, the config says 15; train it"):
        with_face_trunk(config)
    with pytest.raises(InputError, match=r"no such folder"):
        with_face_trunk(dataclasses.replace(config, model=dataclasses.replace(config.model, face_trunk="nowhere")))
    with pytest.raises(InputError, match=r"set model.predict_face=true and model.face_input=false"):
        small_config("camn", face_trunk=folder)


def test_a_mirrored_window_has_the_face_of_the_same_speaker(tmp_path):
    """The transformer has a second row per speaker for mirrored windows, the trunk has one."""
    config, corpus, task, model = built("masked_transformer", trunk_folder(tmp_path / "trunk"), mirror_share=0.999)
    batch = collate(corpus.windows("train")[:6])
    batch["speaker"] = torch.tensor([0, 1, 2, 2, 1, 0])  # of three speakers: 2 is the last row
    batch |= {"draw_seed": draw_seeds(0, 0, range(6)), "progress": torch.tensor(1.0)}
    seen = []
    model.face_path.register_forward_hook(lambda path, inputs, _: seen.append(inputs[1]))
    loss, _ = task.train_step(model.train(), batch)
    loss.backward()
    assert torch.equal(seen[0], batch["speaker"])
    rows = model.speech.speaker.weight.grad.abs().sum(dim=1)
    assert rows[: config.model.num_speakers].max() == 0 < rows[config.model.num_speakers :].min()
    assert model.face_path.trunk.speaker_embedding.weight.grad[1:].abs().sum(dim=1).min() > 0


def test_a_model_that_was_trained_on_mirrored_windows_generates_every_speakers_face(tmp_path):
    config, corpus, _, model = built("masked_transformer", trunk_folder(tmp_path / "trunk"), mirror_share=0.5)
    generator = Generator(
        Bundle(model, config, corpus.statistics, corpus.vocabulary, corpus.speakers, corpus.skeletons)
    )
    waveform = 0.1 * torch.randn(32000, generator=torch.Generator().manual_seed(0)).numpy()
    faces = {label: generator.generate(waveform, 16000, speaker=label).face for label in corpus.speakers.labels}
    assert all(face.shape == (30, 51) for face in faces.values())
    assert not torch.equal(faces["1"], faces["2"])
