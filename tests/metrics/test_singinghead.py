"""SingingHead's 3D metrics against a plain transcription of the published steps, in torch and float32."""

import inspect

import numpy as np
import pytest
import torch

from emage.errors import InputError
from emage.metrics import singinghead
from emage.metrics.singinghead import (
    SingingDiversity,
    SingingFaceMotion,
    SingingFaceVertices,
    diversity,
    fdd,
    lve,
    meandist,
    mindist,
    pose_distance_deg,
    ve,
)

B, N, T, V = 2, 3, 12, 40
MASK = np.array([3, 7, 7, 11, 25, 39, 3])


def vertices(seed: int, *, samples: bool) -> np.ndarray:
    shape = (B, N, T, V * 3) if samples else (B, T, V * 3)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def codes(seed: int, *, samples: bool) -> np.ndarray:
    shape = (B, N, T, 59) if samples else (B, T, 59)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


PRED, GT = vertices(0, samples=True), vertices(1, samples=False)
PARAMS, PARAMS_GT = codes(2, samples=True), codes(3, samples=False)


def published_distances() -> torch.Tensor:
    """(B, N, T, M) L2 distances of the masked vertices."""
    pred = torch.from_numpy(PRED).view(B, N, T, V, 3)[:, :, :, MASK]
    gt = torch.from_numpy(GT).view(B, T, V, 3)[:, :, MASK].unsqueeze(1).repeat(1, N, 1, 1, 1)
    return torch.norm(pred - gt, p=2, dim=-1)


def published_fdd() -> float:
    movement = []
    for values in (torch.from_numpy(GT).view(B, 1, T, V, 3), torch.from_numpy(PRED).view(B, N, T, V, 3)):
        squared = torch.sum(values[..., MASK, :] ** 2, dim=-1)
        movement.append(torch.std(squared, dim=-2).mean())
    return (movement[0] - movement[1]).item()


def published_diversity(values: np.ndarray) -> float:
    flat = torch.from_numpy(values).reshape(len(values), values.shape[1], -1)
    return float(np.mean([torch.nn.functional.pdist(item).mean().item() for item in flat]))


def published_code_distance(values: np.ndarray, real: np.ndarray) -> torch.Tensor:
    return torch.norm(torch.from_numpy(values) - torch.from_numpy(real).unsqueeze(1), dim=3).mean(dim=2)  # (B, N)


def test_scores_equal_the_published_code():
    distances = published_distances()
    lip = distances.max(dim=-1).values.mean(dim=-1)
    expected = {
        (lve, "mean"): lip.mean(),
        (lve, "min"): lip.min(dim=1).values.mean(),
        (ve, "mean"): distances.mean(dim=1).mean(),
        (ve, "min"): distances.min(dim=1).values.mean(),
    }
    for (metric, kind), value in expected.items():
        assert metric(PRED, GT, MASK, kind) == pytest.approx(value.item(), rel=1e-5), (metric, kind)
    assert fdd(PRED, GT, MASK) == pytest.approx(published_fdd(), abs=1e-5)
    assert diversity(PARAMS) == pytest.approx(published_diversity(PARAMS), rel=1e-5)
    by_sample = published_code_distance(PARAMS, PARAMS_GT)
    assert mindist(PARAMS, PARAMS_GT) == pytest.approx(by_sample.min(dim=1).values.mean().item(), rel=1e-5)
    assert meandist(PARAMS, PARAMS_GT) == pytest.approx(by_sample.mean().item(), rel=1e-5)
    head = published_code_distance(PARAMS[..., 50:56], PARAMS_GT[..., 50:56])
    assert meandist(PARAMS[..., singinghead.HEAD], PARAMS_GT[..., singinghead.HEAD]) == pytest.approx(
        head.mean().item()
    )


@pytest.mark.parametrize("metric", [lve, ve, fdd])
def test_each_score_is_one_float_and_arguments_stay_as_they_are(metric):
    pred, gt, mask = PRED.copy(), GT.copy(), MASK.copy()
    assert type(metric(pred, gt, mask)) is float
    assert np.array_equal(pred, PRED)
    assert np.array_equal(gt, GT)
    assert np.array_equal(mask, MASK)
    assert "variant" not in inspect.signature(lve).parameters  # nothing to correct in it


@pytest.mark.parametrize("metric", [lve, ve, fdd, mindist, meandist])
def test_the_real_motion_itself_scores_zero(metric):
    arguments = (GT[:, None], GT, MASK) if metric in (lve, ve, fdd) else (PARAMS_GT[:, None], PARAMS_GT)
    assert metric(*arguments) == 0.0


def test_a_motion_without_the_axis_of_samples_is_one_sample():
    for kind in ("mean", "min"):
        assert lve(PRED[:, 0], GT, MASK, kind) == lve(PRED[:, :1], GT, MASK, kind)
        assert ve(PRED[:, 0], GT, MASK, kind) == ve(PRED[:, :1], GT, MASK, kind)
    assert fdd(PRED[:, 0], GT, MASK) == fdd(PRED[:, :1], GT, MASK)
    assert meandist(PARAMS[:, 0], PARAMS_GT) == mindist(PARAMS[:, :1], PARAMS_GT)


def test_known_vertex_errors():
    gt = np.zeros((1, 2, 2 * 3))
    pred = np.zeros((1, 2, 2, 6))
    pred[0, 0, :, 0] = [3, 1]  # sample 0: vertex 0 is 3 and 1 off in the two frames
    pred[0, 1, :, 3] = [1, 3]  # sample 1: vertex 1 is 1 and 3 off
    assert lve(pred, gt, [0, 1]) == 2
    assert ve(pred, gt, [0, 1]) == 1
    assert ve(pred, gt, [0, 1], "min") == 0  # each frame and vertex is right in one of them
    assert ve(pred, gt, [0, 1], "min", variant="corrected") == 1  # none of the two is right
    assert ve(pred[:, :1], gt, [0, 0, 0, 1]) == 1.5  # published: repeats count
    assert ve(pred[:, :1], gt, [0, 0, 0, 1], variant="corrected") == 1


def test_published_fdd_hangs_on_where_the_head_is_and_the_corrected_one_does_not():
    template = np.random.default_rng(4).standard_normal((V, 3))
    moved = np.tile([0.5, 0.0, 0.0], V)
    args = {"template": template, "variant": "corrected"}
    shifted = {"template": template + [0.5, 0, 0], "variant": "corrected"}
    assert fdd(PRED + moved, GT + moved, MASK, **shifted) == pytest.approx(fdd(PRED, GT, MASK, **args))
    assert abs(fdd(PRED + moved, GT + moved, MASK) - fdd(PRED, GT, MASK)) > 1e-3
    displaced = (PRED - template.reshape(-1), GT - template.reshape(-1))
    assert fdd(PRED, GT, MASK, **args) == pytest.approx(fdd(*displaced, np.unique(MASK)))


def test_absolute_fdd_does_not_let_vertices_make_up_for_each_other():
    time = np.sin(np.arange(T))[None, :, None]
    gt, pred = np.zeros((1, T, 6)), np.zeros((1, 1, T, 6))
    gt[..., :3], pred[0, ..., 3:] = time, time  # the real face moves vertex 0, the generated one vertex 1
    rest = {"template": np.zeros(6)}
    assert fdd(pred, gt, [0, 1], variant="corrected", **rest) == pytest.approx(0, abs=1e-12)
    assert fdd(pred, gt, [0, 1], variant="absolute", **rest) > 0.5
    still = np.zeros_like(pred)
    assert fdd(still, gt, [0], variant="corrected", **rest) > 0  # too little movement is above 0


def test_corrected_diversity_does_not_grow_with_the_frames():
    longer = np.concatenate([PARAMS] * 4, axis=2)
    assert diversity(longer) == pytest.approx(2 * diversity(PARAMS), rel=1e-6)
    assert diversity(longer, variant="corrected") == pytest.approx(diversity(PARAMS, variant="corrected"), rel=1e-9)


def test_known_angle_between_heads():
    real = np.zeros((1, 4, 59))
    params = np.zeros((1, 2, 4, 59))
    params[0, 0, :, 50] = np.radians(30)  # global
    params[0, 1, :, 53] = np.radians(10)  # neck
    assert pose_distance_deg(params, real) == pytest.approx(20)
    assert pose_distance_deg(params, real, "min") == pytest.approx(10)
    params[0, 0, :, 53] = np.radians(-30)  # the neck turns back what the whole head turned
    assert pose_distance_deg(params, real, "min") == pytest.approx(0, abs=1e-5)
    whole_turn = params.copy()
    whole_turn[..., 50:53] *= 1 + 2 * np.pi / np.maximum(
        np.linalg.norm(params[..., 50:53], axis=-1, keepdims=True), 1e-9
    )
    assert pose_distance_deg(whole_turn, real) == pytest.approx(pose_distance_deg(params, real), abs=1e-4)
    assert meandist(whole_turn, real) > meandist(params, real) + 1  # axis-angle values know nothing of turns


def test_one_frame_and_one_sample_have_defined_scores():
    pred, gt, params = PRED[:, :1, :1], GT[:, :1], PARAMS[:, :1, :1]
    assert fdd(pred, gt, MASK) == 0.0
    assert lve(pred, gt, MASK) == lve(pred, gt, MASK, "min")
    assert diversity(params) == diversity(params, variant="corrected") == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lve(PRED[:, :, :5], GT, MASK), "vertices: generated"),
        (lambda: lve(PRED, GT, [V]), f"index {V} of {V} vertices"),
        (lambda: lve(PRED, GT, [-1, 2]), "mask"),
        (lambda: lve(PRED, GT, np.ones(V, bool)), "list of vertex indices"),
        (lambda: lve(PRED, GT, []), "list of vertex indices"),
        (lambda: lve(PRED, GT, MASK, "best"), "kind 'best'"),
        (lambda: ve(PRED, GT, MASK, "best"), "kind 'best'"),
        (lambda: ve(PRED, GT, MASK, variant="new"), "variant 'new'"),
        (lambda: fdd(PRED, GT, MASK, variant="corrected"), "needs the template"),
        (lambda: fdd(PRED, GT, MASK, variant="corrected", template=np.zeros(9)), "template of 9"),
        (lambda: fdd(PRED, np.where(GT == GT.max(), np.nan, GT), MASK), "NaN or infinity"),
        (lambda: diversity(PARAMS[0]), "params have shape"),
        (lambda: meandist(PARAMS, PARAMS_GT[:1]), "codes: generated"),
        (lambda: pose_distance_deg(PARAMS[..., :56], PARAMS_GT[..., :56]), "codes have 59 values"),
    ],
)
def test_what_cannot_be_scored_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_classes_are_means_over_recordings_in_any_order():
    together = SingingFaceMotion()
    for item in (1, 0):
        together.update(PARAMS[item], PARAMS_GT[item], recording_id=str(item))
    result = together.compute()
    assert result["meandist"] == pytest.approx(meandist(PARAMS, PARAMS_GT), rel=1e-12)
    assert result["mindist"] == pytest.approx(mindist(PARAMS, PARAMS_GT), rel=1e-12)
    assert result["diversity"] == pytest.approx(diversity(PARAMS), rel=1e-12)
    assert result["num_recordings"] == 2
    reverse = SingingFaceMotion()
    for item in (0, 1):
        reverse.update(PARAMS[item], PARAMS_GT[item], recording_id=str(item))
    assert reverse.compute() == result
    alone = reverse.per_recording()["1"]
    assert alone["meandist"] == pytest.approx(meandist(PARAMS[1:], PARAMS_GT[1:]))


def test_vertex_class_gives_published_metres_and_corrected_millimetres():
    template = np.zeros((V, 3))
    metric = SingingFaceVertices(MASK, MASK, MASK)
    for item in range(B):
        metric.update(PRED[item].reshape(N, T, V, 3), GT[item].reshape(T, V, 3), template=template)
    result = metric.compute()
    assert result["lve_min"] == pytest.approx(lve(PRED, GT, MASK, "min"))
    assert result["lve_min_mm"] == pytest.approx(1000 * result["lve_min"])
    assert result["ve_min"] == pytest.approx(ve(PRED, GT, MASK, "min"))
    assert result["ve_min_mm"] == pytest.approx(1000 * ve(PRED, GT, MASK, "min", variant="corrected"))
    assert result["ve_min_mm"] > 1000 * result["ve_min"]
    assert result["fdd"] == pytest.approx(fdd(PRED, GT, MASK))
    assert result["fdd_mm2"] == pytest.approx(1e6 * fdd(PRED, GT, MASK, template=template, variant="corrected"))


def test_one_sample_has_no_diversity_per_frame():
    metric = SingingFaceMotion()
    metric.update(PARAMS[0, :1], PARAMS_GT[0])
    assert metric.compute()["diversity_per_frame"] is None
    metric.update(PARAMS[1], PARAMS_GT[1])
    assert metric.compute()["diversity_per_frame"] == pytest.approx(diversity(PARAMS[1:], variant="corrected"))


def test_diversity_of_meshes_is_of_what_is_known():
    metric = SingingDiversity()
    shaped = PRED.reshape(B, N, T, V, 3)
    metric.update(shaped[0], face=MASK)
    result = metric.compute()
    assert result["diversity_lmk"] is None
    assert result["diversity_verts"] == pytest.approx(published_diversity(PRED[:1]), rel=1e-5)
    face = shaped[:1, :, :, MASK].reshape(1, N, T, -1)
    assert result["diversity_face"] == pytest.approx(published_diversity(face), rel=1e-5)
