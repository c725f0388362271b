"""The face trunk: masks decide what is learned, several corpora train it, and its predictions have each corpus' form."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from face_corpora import make_emoca_sequence, make_singinghead
from raw_corpus import make_raw_recording
from training.test_processes import on_two_processes

import train
from dataloaders.cache import build_cache
from dataloaders.face_corpus import FaceCorpus
from emage.checkpoint import load_bundle
from emage.config import Config, DataConfig, load_config
from emage.errors import InputError
from emage.face_config import FaceConfig, FaceLossConfig
from emage.face_prediction import predict_face
from emage.models.face import HEADS, FaceTrunk, head_columns
from emage.motion.arkit import read_arkit
from emage.motion.convert_face import FACE_GROUPS, known_groups
from emage.motion.face_statistics import FaceStatistics
from emage.motion.flame_file import read_flame
from emage.training.batches import draw_seeds
from emage.training.tasks.face import FaceTask, begin_from, head_valid
from tools import predict_face as predict_tool

SMALL = FaceConfig(audio_channels=[4, 4, 4, 8, 8, 8], channels=16, num_layers=2, dropout=0.0)
OPTIONS = ["model.audio_channels=[4,4,4,8,8,8]", "model.channels=16", "model.num_layers=2", "optim.batch_size=8"]


def batch(layouts: list[str], frames: int = 15) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    count = len(layouts)
    valid = torch.stack([known_groups(layout) for layout in layouts])[:, None].expand(-1, frames, -1)
    return {
        "face_all": torch.randn(count, frames, 157, generator=draw),
        "face_all_valid": valid,
        "waveform": torch.randn(count, frames * 1000, generator=draw) * 0.1,
        "speaker": torch.arange(count),
        "corpus": torch.arange(count) % 3,
        "draw_seed": draw_seeds(0, 0, range(count)),
    }


def task() -> FaceTask:
    statistics = FaceStatistics.of(torch.zeros(3, 157), torch.ones(3, 157))
    data = DataConfig(fps=16.0)
    return FaceTask(Config(data=data, model=SMALL, loss=FaceLossConfig()), SimpleNamespace(statistics=statistics))


@pytest.mark.parametrize(
    ("layout", "trained"),
    [
        ("arkit_51", {"arkit"}),
        ("emoca_56", {"flame50", "head"}),
        ("flame_59", {"flame50", "head"}),
        ("flame_103", {"flame100"}),
    ],
)
def test_a_corpus_trains_the_heads_that_it_annotates_and_no_other(layout, trained):
    own = task()
    model = own.build_model()
    loss, parts = own.train_step(model, batch([layout, layout]))
    loss.backward()
    moved = {
        name for name, head in model.heads.items() if head.weight.grad.abs().max() > 0 or head.bias.grad.abs().max() > 0
    }
    assert moved == trained
    assert {name for name, value in parts.items() if value > 0} == trained
    valid = batch([layout])["face_all_valid"]
    assert {name for name in HEADS if head_valid(valid, name).all()} == trained


def test_one_batch_of_all_annotations_can_be_learned():
    own, rows = task(), batch(["arkit_51", "emoca_56", "flame_103"])
    torch.manual_seed(0)
    model = own.build_model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = own.train_step(model, rows)[0].item()
    for _ in range(120):
        optimizer.zero_grad()
        loss, _ = own.train_step(model, rows)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first


def test_what_is_masked_may_hold_anything():
    own = task()
    model = own.build_model().eval()
    clean = batch(["emoca_56", "arkit_51"])
    spoiled = {key: value.clone() for key, value in clean.items()}
    widths = [51, 50, 50, 3, 3]
    unknown = ~clean["face_all_valid"].repeat_interleave(torch.tensor(widths), dim=-1)
    spoiled["face_all"][unknown] = float("nan")
    losses = [own.eval_step(model, each)["loss"] for each in (clean, spoiled)]
    assert losses[0].isfinite()
    assert torch.equal(*losses)
    assert len(FACE_GROUPS) == len(widths)


def test_a_fresh_trunk_says_the_mean_face_of_each_corpus():
    model = FaceTrunk(SMALL).eval()
    mean, std = torch.randn(3, 157), torch.rand(3, 157) + 0.5
    model.set_statistics(mean, std)
    corpus = torch.tensor([2, 0])
    output = model(torch.randn(2, 16000), corpus, torch.tensor([0, 5]), num_frames=15, fps=15.0, sample_rate=16000)
    for head in HEADS:
        made = model.face(output, head, corpus)
        torch.testing.assert_close(made, mean[corpus][:, None, head_columns(head)].expand_as(made))
    values = torch.randn(2, 15, 157)
    back = model.normalise(values, corpus) * std[corpus][:, None] + mean[corpus][:, None]
    torch.testing.assert_close(back, values, atol=1e-5, rtol=0)
    with pytest.raises(InputError, match=r"model.num_corpora: 8 places for 9 corpora"):
        model.set_statistics(torch.zeros(9, 157), torch.ones(9, 157))


def test_a_neutral_window_has_the_neutral_identity_in_place_of_its_speaker():
    model = FaceTrunk(SMALL).train()
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight)
    for module in model.audio_encoder.modules():  # BatchNorm's statistics are those of the batch
        module.training = False
    inputs = (torch.randn(2, 16000), torch.tensor([0, 0]))
    options = {"num_frames": 15, "fps": 15.0, "sample_rate": 16000}
    neutral, someone, mixed = (
        model(*inputs, torch.tensor(speakers), hidden, **options).heads["arkit"]
        for speakers, hidden in (([0, 0], None), ([3, 3], None), ([3, 3], torch.tensor([True, False])))
    )
    assert not torch.allclose(neutral, someone)
    assert torch.equal(mixed[0], neutral[0])
    assert torch.equal(mixed[1], someone[1])


def test_a_share_of_the_training_windows_is_neutral_and_none_of_validation():
    rows = {key: value[:1].expand(400, *value.shape[1:]) for key, value in batch(["arkit_51"], frames=2).items()}
    rows["draw_seed"] = draw_seeds(0, 0, range(400))
    own, seen = task(), []

    class Listens(FaceTrunk):
        def forward(self, waveform, corpus, speaker, neutral=None, **options):
            seen.append(neutral)
            return super().forward(waveform, corpus, speaker, neutral, **options)

    model = Listens(SMALL)
    own.train_step(model, rows)
    own.eval_step(model, rows)
    assert 0.05 < seen[0].float().mean() < 0.15
    assert seen[1] is None


def test_another_training_begins_from_the_trunk_and_not_from_its_people():
    trained, fresh = FaceTrunk(SMALL), FaceTrunk(SMALL)
    for parameter in trained.parameters():
        torch.nn.init.normal_(parameter)
    before = fresh.speaker_embedding.weight[1:].clone()
    begin_from(fresh, trained)
    assert torch.equal(fresh.input.weight, trained.input.weight)
    assert torch.equal(fresh.heads["arkit"].weight, trained.heads["arkit"].weight)
    assert torch.equal(fresh.speaker_embedding.weight[0], trained.speaker_embedding.weight[0])
    assert torch.equal(fresh.speaker_embedding.weight[1:], before)
    with pytest.raises(InputError, match="of another size"):
        begin_from(FaceTrunk(FaceConfig(**{**SMALL.__dict__, "channels": 8})), trained)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> Path:
    """Caches of BEAT, EMOCA and SingingHead sets, and a config of their mixture."""
    root = tmp_path_factory.mktemp("corpora")
    for take in (1, 9, 57):
        make_raw_recording(root / "raw", f"2_scott_0_{take}_{take}", seed=take)
    for number in range(3):
        make_emoca_sequence(root / "emoca", f"V0-s{number}-00001", frames=60)
    make_singinghead(root / "singinghead", {"train": ["id0_1_0_0"], "test": ["id1_1_0_0"]})
    for name, fps in (("raw", 15.0), ("emoca", 25.0), ("singinghead", 30.0)):
        config = DataConfig(format=name, root=str(root / name), cache_dir=str(root / "caches"), fps=fps)
        build_cache(config, 1, progress=False)
    config = {
        "data": {
            "root": str(root / "raw"),
            "cache_dir": str(root / "caches"),
            "window_frames": 20,
            "splits": {"train": ["2_scott_0_9_9"], "val": ["2_scott_0_57_57"], "test": ["2_scott_0_1_1"]},
        },
        "optim": {"max_steps": 12, "eval_every": 6, "save_every": 6, "lr": 1e-3, "warmup_steps": 1},
        "model": {"name": "face"},
        "mixture": {
            "main": "beat",
            "corpora": {
                name: {"format": name, "root": str(root / name), "cache_dir": str(root / "caches"), "fps": fps}
                for name, fps in (("emoca", 25.0), ("singinghead", 30.0))
            },
        },
    }
    (root / "joint.yaml").write_text(json.dumps(config))
    return root


@pytest.fixture(scope="module")
def run(corpora) -> Path:
    out = corpora / "run"
    assert train.main(["-c", str(corpora / "joint.yaml"), f"output_dir={out}", *OPTIONS]) == 0
    return out


def losses_of(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "losses.jsonl").read_text().splitlines()]


def test_three_corpora_train_one_trunk_and_resuming_changes_nothing(corpora, run):
    again = corpora / "again"
    command = ["-c", str(corpora / "joint.yaml"), f"output_dir={again}", *OPTIONS]
    assert train.main(command) == 0
    assert losses_of(again) == losses_of(run)
    assert len(losses_of(run)) == 12
    bundle = load_bundle(run / "best")
    assert len(bundle.model.corpus_mean.abs().sum(dim=1).nonzero()) == 3
    assert "emoca/V0-s1" in bundle.speakers.labels


def test_a_checkpoint_and_the_log_tell_windows_from_draws(corpora, run):
    """12 steps draw 8 windows each, whatever number of windows the corpora have."""
    corpus = FaceCorpus.open(load_config(corpora / "joint.yaml"))
    sizes = {member.name: len(corpus.member_windows(k, "train")) for k, member in enumerate(corpus.members)}
    counts = json.loads((run / "best" / "info.json").read_text())["corpus"]
    assert counts["train_windows"] == sum(sizes.values()) != 12 * 8
    assert counts["train_draws"] == 12 * 8
    assert counts["val_windows"] == len(corpus.windows("val"))
    mixture = counts["mixture"]
    assert {name: own["train_windows"] for name, own in mixture.items()} == sizes
    assert sum(own["train_draws"] for own in mixture.values()) == pytest.approx(12 * 8, abs=1)
    for own, share in zip(mixture.values(), corpus.shares(), strict=True):
        assert own["passes"] == pytest.approx(12 * 8 * share / own["train_windows"], abs=1e-3)
    log = (run / "train.log").read_text()
    assert f"windows: {sum(sizes.values())} train, 96 drawn in 12 steps; {counts['val_windows']} val" in log
    assert f"windows of emoca: {sizes['emoca']} train, {mixture['emoca']['train_draws']} drawn" in log


def test_two_processes_agree_with_one(corpora):
    still = ["model.neutral_share=0.5", "model.dropout=0", "optim.freeze_batch_norm=true", "optim.max_steps=6"]
    curves = []
    for count in (1, 2):
        out = corpora / f"on_{count}"
        command = ["-c", str(corpora / "joint.yaml"), f"output_dir={out}", *OPTIONS, *still]
        if count == 1:
            assert train.main(command) == 0
        else:
            assert on_two_processes(lambda command=command: train.main(command)) == [0, 0]
        curves.append(losses_of(out))
    assert len(curves[0]) == 6
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)


def test_a_pretrained_trunk_is_taken_over(corpora, run):
    out = corpora / "tuned"
    more = [f"model.init={run / 'best'}", "optim.max_steps=1", "optim.lr=0.0", f"output_dir={out}"]
    assert train.main(["-c", str(corpora / "joint.yaml"), *OPTIONS, *more]) == 0
    one, other = (load_bundle(folder / "last").model for folder in (out, run))
    reference = load_bundle(run / "best").model
    assert torch.equal(one.input.weight, reference.input.weight)
    assert one.input.weight.shape == other.input.weight.shape


def test_predictions_have_each_corpus_own_arrays(corpora, run):
    out = corpora / "predicted"
    for split in ("train", "test"):
        assert predict_tool.main(["--checkpoint", str(run / "best"), "--out", str(out), "--split", split]) == 0
    song = read_flame(out / "singinghead" / "id1_1_0_0.npz")
    assert song.values.shape == (240, 59)
    assert not song.values[:, 53:56].any()
    trained = [path.name for path in (out / "emoca").iterdir() if path.is_dir()]
    assert len(trained) >= 2
    for name in trained:
        assert np.load(out / "emoca" / name / "expcode.npy").shape == (60, 50)
        assert np.load(out / "emoca" / name / "posecode.npy").shape == (60, 6)
        assert read_arkit(out / "emoca" / f"{name}.json").fps == 25
    face = read_arkit(out / "beat" / "2_scott_0_1_1.json")
    assert (face.fps, face.num_frames) == (15, 60)
    assert face.weights.std() > 0.001


def test_one_corpus_alone_can_be_asked_for(corpora, run, capsys):
    out = corpora / "alone"
    command = ["--checkpoint", str(run / "best"), "--out", str(out), "--corpora"]
    assert predict_tool.main([*command, "beat"]) == 0
    assert [path.name for path in out.iterdir()] == ["beat"]
    assert predict_tool.main([*command, "mead"]) == 1
    assert (
        "--corpora: 'mead' is no corpus of this training; choose of beat, emoca, singinghead" in capsys.readouterr().err
    )


def test_the_corpora_say_how_much_of_the_training_they_are(corpora):
    corpus = FaceCorpus.open(load_config(corpora / "joint.yaml"))
    shares = corpus.shares()
    assert shares.sum() == pytest.approx(1)
    drawn, _ = corpus.windows("train").places(range(4000))
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 4000, shares, atol=0.03)


def test_any_length_and_rate_and_an_unknown_speaker_is_neutral(run):
    bundle = load_bundle(run / "best")
    waveform = 0.1 * np.random.default_rng(0).standard_normal(37_123).astype(np.float32)
    for fps, frames in ((15.0, 35), (25.0, 58), (60.0, 139)):
        face = predict_face(bundle, waveform, "emoca", fps=fps)
        assert (len(face.values), len(face.head), face.layout) == (frames, frames, "flame_53")
    neutral, unknown = (predict_face(bundle, waveform, "beat", speaker=s).values for s in ("", "nobody"))
    assert torch.equal(neutral, unknown)
    with pytest.raises(InputError, match="choose one of beat, emoca, singinghead"):
        predict_face(bundle, waveform, "mead")
