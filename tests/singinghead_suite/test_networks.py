"""The optional packages, with stand-ins: what is fed to them, and what is said when they cannot be had."""

import sys
import types

import numpy as np
import pytest
import torch
from scipy import ndimage

from emage.singinghead_suite import networks

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)


def module(monkeypatch, name: str, **members) -> None:
    made = types.ModuleType(name)
    for key, value in members.items():
        setattr(made, key, value)
    monkeypatch.setitem(sys.modules, name, made)


def fail(error: Exception):
    def raising(*_, **__):
        raise error

    return raising


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("cleanfid", lambda: networks.fid(None, None)),
        ("lpips", networks.lpips_distance),
        ("cpbd", networks.sharpness),
        ("face_alignment", networks.landmark_detector),
    ],
)
def test_a_missing_package_is_a_reason(monkeypatch, name, call):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.compute", None)
    with pytest.raises(networks.Unavailable, match=r"cannot be imported .*pip install 'emage\[video-metrics\]'"):
        call()


def test_weights_that_cannot_be_fetched_are_a_reason(monkeypatch):
    offline = fail(OSError("<urlopen error: no network>"))
    module(monkeypatch, "lpips", LPIPS=offline)
    module(monkeypatch, "face_alignment", FaceAlignment=offline, LandmarksType=types.SimpleNamespace(TWO_D=1))
    module(monkeypatch, "cleanfid", fid=types.SimpleNamespace(compute_fid=offline))
    for call in (networks.lpips_distance, networks.landmark_detector, lambda: networks.fid("a", "b")):
        with pytest.raises(networks.Unavailable, match="cannot load its weights: <urlopen error: no network>"):
            call()


def test_lpips_is_fed_as_published_and_as_it_expects(monkeypatch):
    seen = []

    class Network(torch.nn.Module):
        def __init__(self, net, verbose):
            super().__init__()
            assert net == "alex"

        def forward(self, a, b):
            assert not self.training
            seen.append((a, b))
            return (a - b).abs().mean()

    module(monkeypatch, "lpips", LPIPS=Network)
    distance = networks.lpips_distance()
    published, corrected = (distance(FRAMES, FRAMES[::-1], flag) for flag in (True, False))
    first = torch.from_numpy(FRAMES[0]).permute(2, 0, 1)[None].float() / 255
    assert torch.equal(seen[0][0], first)
    assert torch.allclose(seen[2][0], 2 * first - 1)
    assert published.shape == (2,)
    assert corrected == pytest.approx(2 * published)


def test_cpbd_is_imported_though_scipy_has_no_imread(monkeypatch):
    def compute(image):
        assert image.shape == (8, 8)
        return image.mean() / 255

    class Finder:
        """Stands for cpbd 1.0.7, whose first lines want scipy.ndimage.imread."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "cpbd.compute":
                from scipy.ndimage import imread  # noqa: F401
            return None

    package = types.ModuleType("cpbd")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "cpbd", package)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(networks.Unavailable, match="No module named 'cpbd.compute'"):  # and not of imread
        networks.sharpness()
    module(monkeypatch, "cpbd.compute", compute=compute)
    grey = FRAMES @ np.array([0.299, 0.587, 0.114])
    assert networks.sharpness()(FRAMES) == pytest.approx(grey.mean(axis=(1, 2)) / 255, abs=3e-3)
    assert not hasattr(ndimage, "imread")


def test_fid_of_folders_and_faces_that_are_not_found(monkeypatch):
    calls = {}
    module(
        monkeypatch,
        "cleanfid",
        fid=types.SimpleNamespace(compute_fid=lambda a, b, **options: calls.update(a=a, b=b, **options) or 3.5),
    )
    assert networks.fid("made", "real") == 3.5
    assert (calls["a"], calls["b"], calls["num_workers"]) == ("made", "real", 0)
    answers = iter([None, [np.ones((68, 2))]])
    network = types.SimpleNamespace(get_landmarks=lambda frame: next(answers))
    module(
        monkeypatch,
        "face_alignment",
        FaceAlignment=lambda kind, **options: network,
        LandmarksType=types.SimpleNamespace(TWO_D=1),
    )
    detect = networks.landmark_detector()
    assert np.isnan(detect(FRAMES[0])).all()
    assert np.array_equal(detect(FRAMES[0]), np.ones((68, 2)))
