"""Metrics that need packages of their own (extra `video-metrics`): FID, LPIPS, CPBD and the finding of landmarks.

None of them is needed: what is not installed, or cannot fetch its weights, gives a reason in place of a number. The
packages are those of the released code, asked for in its way.

Shapes: T frames, H height, W width.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emage.errors import InputError

EXTRA = "pip install 'emage[video-metrics]'"
NUM_LANDMARKS = 68


class Unavailable(InputError):
    """A package, or its weights, cannot be had here; the message is the reason that a report gives."""


def _imported(load: Callable[[], Any], package: str) -> Any:
    try:
        return load()
    except (ImportError, AttributeError, OSError, RuntimeError) as error:  # also a torchvision of another torch
        raise Unavailable(f"{package} cannot be imported ({' '.join(str(error).split())}): {EXTRA}") from error


def _weights(load: Callable[[], Any], package: str) -> Any:
    try:
        return load()
    except (OSError, RuntimeError, ValueError) as error:  # no network: URLError and its kin are OSErrors
        raise Unavailable(f"{package} cannot load its weights: {' '.join(str(error).split())}") from error


def fid(folder: Path, folder_gt: Path) -> float:
    """Frechet distance of the Inception features of two folders of images, by clean-fid.

    Raises:
        Unavailable: no package, or no weights.
    """

    def load() -> Any:
        from cleanfid import fid as clean_fid

        return clean_fid

    clean_fid = _imported(load, "clean-fid")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Workers are processes; frames are few.
    return float(
        _weights(
            lambda: clean_fid.compute_fid(
                str(folder), str(folder_gt), device=device, num_workers=0, verbose=False, use_dataparallel=False
            ),
            "clean-fid",
        )
    )


def lpips_distance() -> Callable[[np.ndarray, np.ndarray, bool], np.ndarray]:
    """The LPIPS network (AlexNet).

    Returns:
        A function of generated frames (T, H, W, 3) uint8, real ones, and whether to feed them as published, in 0 to 1,
        where the network expects -1 to 1; it gives (T,) distances.

    Raises:
        Unavailable: no package, or no weights.
    """

    def load() -> Any:
        import lpips

        return lpips

    lpips = _imported(load, "lpips")
    network = _weights(lambda: lpips.LPIPS(net="alex", verbose=False), "lpips").eval()

    def distance(frames: np.ndarray, frames_gt: np.ndarray, as_published: bool) -> np.ndarray:
        def as_input(images: np.ndarray) -> torch.Tensor:
            scaled = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
            return scaled if as_published else scaled * 2 - 1

        pairs = zip(as_input(frames), as_input(frames_gt), strict=True)
        with torch.no_grad():
            return np.array([network(frame[None], real[None]).item() for frame, real in pairs])

    return distance


def sharpness() -> Callable[[np.ndarray], np.ndarray]:
    """CPBD, the probability that no blur is seen: a function of frames (T, H, W, 3) uint8 that gives (T,).

    Raises:
        Unavailable: no package.
    """
    compute = _imported(_load_cpbd, "cpbd")

    def of_frames(frames: np.ndarray) -> np.ndarray:
        from PIL import Image

        return np.array([float(compute(np.asarray(Image.fromarray(frame).convert("L")))) for frame in frames])

    return of_frames


def _load_cpbd() -> Callable[[np.ndarray], float]:
    """cpbd 1.0.7 imports scipy.ndimage.imread, which scipy dropped in 1.2, for its own command line alone."""
    from scipy import ndimage

    missing = not hasattr(ndimage, "imread")
    if missing:
        ndimage.imread = None
    try:
        from cpbd.compute import compute
    finally:
        if missing:
            del ndimage.imread
    return compute


def landmark_detector() -> Callable[[np.ndarray], np.ndarray]:
    """face_alignment's 2D landmarks: a function of a frame (H, W, 3) uint8 that gives (68, 2) pixels, NaN if no face.

    Raises:
        Unavailable: no package, or no weights.
    """

    def load() -> Any:
        import face_alignment

        return face_alignment

    package = _imported(load, "face-alignment")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = _weights(
        lambda: package.FaceAlignment(package.LandmarksType.TWO_D, flip_input=False, device=device), "face-alignment"
    )

    def detect(frame: np.ndarray) -> np.ndarray:
        found = network.get_landmarks(frame)
        return np.full((NUM_LANDMARKS, 2), np.nan) if not found else np.asarray(found[0], dtype=np.float64)

    return detect
