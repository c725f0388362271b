"""Mirrored windows: chosen by their seed alone, as far as the share says, and with the twin's row and bones."""

import torch
from training.test_tasks import task_and_batch

from emage.motion.mirror import mirror_face, mirror_motion
from emage.training.batches import draw_seeds
from emage.training.mirroring import mirror_some


def test_a_share_of_the_windows_is_mirrored_by_its_own_seed():
    task, batch = task_and_batch("masked_transformer", size=4)
    layout = task.config.model.layout
    seen = mirror_some(batch, layout, 0.5)
    for row in range(4):
        is_seen = bool(seen["mirrored"][row])
        motion, face = batch["motion"][row], batch["face"][row]
        assert torch.equal(seen["motion"][row], mirror_motion(motion, layout) if is_seen else motion)
        assert torch.equal(seen["face"][row], mirror_face(face) if is_seen else face)
        alone = {key: value[row : row + 1] if value.dim() else value for key, value in batch.items()}
        assert torch.equal(mirror_some(alone, layout, 0.5)["motion"][0], seen["motion"][row])
    many = {key: batch[key][:1].expand(400, *batch[key].shape[1:]) for key in ("motion", "face")}
    many["draw_seed"] = torch.as_tensor(draw_seeds(0, 0, range(400)))
    assert 0.4 < mirror_some(many, layout, 0.5)["mirrored"].float().mean() < 0.6
    assert not mirror_some(many, layout, 0.0)["mirrored"].any()


def test_the_network_hears_of_the_twin():
    task, batch = task_and_batch("masked_transformer", mirror_share=0.999)
    model = task.build_model()
    model.train()
    loss, _ = task.train_step(model, batch)
    loss.backward()
    rows = model.speech.speaker.weight.grad.abs().sum(dim=1)
    count = task.config.model.num_speakers
    assert model.speech.speaker.num_embeddings == 2 * count
    assert rows[:count].max() == 0
    assert rows[count:].max() > 0
    model.zero_grad()
    task.eval_step(model, batch)["loss"].backward()  # validation sees people as they are
    assert model.speech.speaker.weight.grad[count:].abs().max() == 0


def test_a_tokenizer_learns_both_sides():
    task, batch = task_and_batch("vqvae", part="upper", mirror_share=0.999)
    model = task.build_model().train()
    loss, parts = task.train_step(model, batch)
    assert loss.isfinite()
    assert all(value.isfinite() for value in parts.values())
