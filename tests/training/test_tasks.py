import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from training.windows import BODY_MODELS, WindowCorpus, small_config, task_of

from dataloaders.batch import collate
from emage.errors import InputError
from emage.training.batches import draw_seeds


def task_and_batch(name: str, size: int = 4, **model):
    config = small_config(name, **model)
    corpus = WindowCorpus(config)
    batch = collate(corpus.windows("train")[:size])
    batch |= {"draw_seed": draw_seeds(0, 0, range(size)), "progress": torch.tensor(1.0)}
    return task_of(config, corpus), batch


class Answers(nn.Module):
    """Stands in for a network: keeps what it was given and answers by a function of it."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *args: Tensor, **kwargs: Tensor) -> SimpleNamespace:
        self.args, self.kwargs = args, kwargs
        return self.answer(*args, **kwargs)


def copies(change=lambda x: x) -> Answers:
    zero = torch.zeros(())
    return Answers(lambda x, *_: SimpleNamespace(reconstruction=change(x), commitment_loss=zero, perplexity=zero))


@pytest.mark.parametrize("name", BODY_MODELS)
def test_one_batch_can_be_learned(name):
    task, batch = task_and_batch(name)
    torch.manual_seed(0)
    model = task.build_model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = task.train_step(model, batch)[0].item()
    for _ in range(120):
        optimizer.zero_grad()
        loss, parts = task.train_step(model, batch)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert all(value.dim() == 0 and value.isfinite() for value in parts.values())


@pytest.mark.parametrize("name", BODY_MODELS)
def test_validation_repeats_exactly_and_leaves_the_network_alone(name):
    options = {"dropout": 0.5, "word_dropout": 0.5} if name == "camn" else {}
    task, batch = task_and_batch(name, **options)
    model = task.build_model()
    task.train_step(model, batch)  # an EMA codebook takes its first codes from a batch
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (task.eval_step(model.eval(), batch) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert "loss" in first
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", BODY_MODELS)
def test_frames_that_were_not_captured_do_not_count_whatever_stands_there(name):
    options = {"face_input": False, "predict_face": True} if name == "camn" else {}
    task, batch = task_and_batch(name, **options)
    torch.manual_seed(0)
    model = task.build_model().eval()
    results = []
    for junk in (0.0, 1e6, float("nan")):
        spoiled = {key: value.clone() for key, value in batch.items()}
        for key in ("motion", "face"):
            spoiled[f"{key}_valid"][:, 20:24] = False
            spoiled[key][:, 20:24] = junk
        model.zero_grad()
        loss, _ = task.train_step(model, spoiled)
        loss.backward()
        results.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    for loss, gradients in results[1:]:
        assert loss == results[0][0]
        assert all(torch.equal(a, b) for a, b in zip(gradients, results[0][1], strict=True))
    assert results[0][0] != task.train_step(model, batch)[0].item()


def test_autoencoder_loss_of_a_constant_error_in_deviations():
    task, batch = task_and_batch("motion_autoencoder")
    loss, parts = task.train_step(copies(lambda x: x + 0.5), batch)
    assert parts["reconstruction"].item() == pytest.approx(0.5, rel=1e-5)
    assert parts["velocity"].item() == pytest.approx(0, abs=1e-6)
    assert loss.item() == pytest.approx(0.5, rel=1e-5)


def test_autoencoder_sees_z_scored_motion():
    task, batch = task_and_batch("motion_autoencoder", size=20)
    model = copies()
    task.train_step(model, batch)
    seen = model.args[0].flatten(0, 1)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(seen.shape[1]), atol=0.2, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(seen.shape[1]), atol=0.1, rtol=0)


def test_autoencoder_windows_must_be_the_networks():
    config = small_config("motion_autoencoder")
    config.data.window_frames = 40
    with pytest.raises(InputError, match="data.window_frames: got 40, .*model.window_frames=34"):
        task_of(config, WindowCorpus(small_config("motion_autoencoder")))


def test_camn_loss_is_the_references_formula():
    task, batch = task_and_batch("camn")
    torch.manual_seed(0)
    answer = torch.randn_like(batch["motion"])
    loss, _ = task.train_step(Answers(lambda *_, **__: SimpleNamespace(motion=answer, face=None)), batch)
    target = task.statistics.normalise(batch["motion"], "beat_141")
    weight = (1 + batch["semantic"])[..., None]
    expected = 500 * 0.1 * nn.functional.smooth_l1_loss(answer * weight / 0.1, target * weight / 0.1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("face_input", "predict_face"), [(True, False), (False, True), (False, False)])
def test_camn_face_is_given_or_predicted_as_the_config_says(face_input, predict_face):
    task, batch = task_and_batch("camn", face_input=face_input, predict_face=predict_face)
    face = task.statistics.normalise(batch["face"], "arkit_51")
    motion = task.statistics.normalise(batch["motion"], "beat_141")
    model = Answers(lambda *_, **__: SimpleNamespace(motion=motion, face=face + 1.0))
    loss, parts = task.train_step(model, batch)
    if face_input:
        assert torch.equal(model.kwargs["face"], face)
    else:
        assert model.kwargs["face"] is None
    assert ("face" in parts) is predict_face
    assert loss.item() == pytest.approx(500 * (1 - 0.05) if predict_face else 0, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("seed_frames", [0, 4])
def test_camn_gets_the_first_frames_as_seed(seed_frames):
    task, batch = task_and_batch("camn", seed_frames=seed_frames)
    motion = task.statistics.normalise(batch["motion"], "beat_141")
    model = Answers(lambda *_, **__: SimpleNamespace(motion=motion, face=None))
    task.train_step(model, batch)
    if seed_frames:
        assert torch.equal(model.kwargs["seed_motion"], motion[:, :4])
    else:
        assert model.kwargs["seed_motion"] is None


def test_camn_seed_must_leave_something_to_generate():
    config = small_config("camn", seed_frames=34)
    with pytest.raises(InputError, match="model.seed_frames: got 34; it must be below data.window_frames=34"):
        task_of(config, WindowCorpus(config))


def surely(codes: Tensor, num_entries: int) -> Tensor:
    """Logits (B, N, K) of somebody who is sure of these first codes (B, N)."""
    return 100.0 * nn.functional.one_hot(codes, num_entries).float()


def test_the_latent_error_of_true_codes_is_what_the_levels_behind_the_first_hold():
    task, _ = task_and_batch("masked_transformer")
    task.build_model()
    vqvae = task.tokenizer.vqvaes["hands"]
    entries = vqvae.level_embeddings(0)
    codes = torch.randint(len(entries), (3, 5, vqvae.num_quantizers), generator=torch.Generator().manual_seed(0))
    rest = vqvae.lookup(codes) - entries[codes[..., 0]]
    error = task.latent_error("hands", surely(codes[..., 0], len(entries)), codes)
    torch.testing.assert_close(error, rest.square().sum(-1) / entries.var(dim=0).sum())


def test_the_latent_error_tells_a_near_code_from_a_far_one_where_cross_entropy_cannot():
    task, _ = task_and_batch("masked_transformer")
    task.build_model()
    vqvae = task.tokenizer.vqvaes["hands"]
    entries, true = vqvae.level_embeddings(0), torch.zeros(2, 3, vqvae.num_quantizers, dtype=torch.long)
    order = torch.cdist(vqvae.lookup(true)[0, :1], entries)[0].argsort().tolist()
    near, far = order[1], order[-1]
    errors = [task.latent_error("hands", surely(torch.full((2, 3), code), len(entries)), true) for code in (near, far)]
    assert (errors[0] < errors[1]).all()


def test_the_latent_errors_are_added_to_the_cross_entropies_by_their_weight():
    task, batch = task_and_batch("masked_transformer")
    torch.manual_seed(0)
    model = task.build_model().eval()
    losses = {}
    for weight in (0.0, 0.5, 2.0):
        task.config.loss.latent = weight
        losses[weight], _ = task.train_step(model, batch)
    assert losses[0.5] > losses[0.0]
    torch.testing.assert_close(losses[2.0] - losses[0.0], 4 * (losses[0.5] - losses[0.0]))


OPTIONS = [
    ("motion_autoencoder", {}),
    ("vqvae", {"codebook": "straight_through"}),
    ("vqvae", {"codebook": "straight_through", "num_quantizers": 1}),
    ("vqvae", {"unquantized_share": 0.9, "part": "face"}),
    ("camn", {"face_input": False, "predict_face": True, "seed_frames": 0}),
    ("camn", {"face_input": True, "audio_encoder": "waveform", "seed_frames": 4, "seed_dropout": 0.9}),
    ("masked_transformer", {}),
    ("masked_transformer", {"audio_encoder": "log_mel", "audio_channels": [4] * 6}),
    ("masked_transformer", {"audio_encoder": "waveform", "audio_channels": [4] * 6, "mirror_share": 0.9}),
    ("masked_transformer", {"everything_dropout": 0.9, "hint_share": 0.0}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_every_parameter_gets_a_gradient_whatever_the_options(name, options):
    """DistributedDataParallel stops at the second step where one gets none."""
    task, batch = task_and_batch(name, **options)
    model = task.build_model().train()
    task.train_step(model, batch)[0].backward()
    assert [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_a_speech_model_of_another_sample_rate_is_refused_when_the_network_is_built(monkeypatch, tmp_path):
    network = nn.Linear(1, 1)
    network.config = SimpleNamespace(hidden_size=1, conv_kernel=[4], conv_stride=[4])
    info = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
    loader = SimpleNamespace(from_pretrained=lambda folder, **options: (network, info))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoModel=loader))
    preparation = tmp_path / "preprocessor_config.json"
    options = {"audio_encoder": "pretrained", "audio_model": str(tmp_path)}
    preparation.write_text('{"sampling_rate": 16000}')
    task, _ = task_and_batch("masked_transformer", **options)
    task.build_model()
    preparation.write_text('{"sampling_rate": 24000}')
    for build in (task.build_network, task.build_model):
        with pytest.raises(InputError, match="data.sample_rate: got 16000; the speech model .* takes 24000 Hz"):
            build()
