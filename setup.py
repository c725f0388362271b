"""Installs the packages `emage` and `dataloaders` and the console script `emage`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (ROOT / "emage/__init__.py").read_text(encoding="utf-8"), re.M).group(
    1
)

CORE = [
    "torch>=2.4",
    "accelerate>=1.0",
    "numpy>=1.26",
    "lmdb>=1.4",
    "textgrid>=1.6",
    "librosa>=0.10",
    "smplx>=0.1.28",  # non-commercial licence: imported only where a body or face model is asked for
    "omegaconf>=2.3",
    "tensorboard>=2.14",
    "safetensors>=0.4",
    "soundfile>=0.12",
    "soxr>=0.3",
    "scipy>=1.11",
    "matplotlib>=3.8",
    "tqdm>=4.60",
    "filelock>=4.2",  # one builder of a cache and one training in a folder at a time
    "pillow>=10",
    "jinja2>=3.1",  # fills the html pages: every value is escaped
    "pocketsphinx>=5.0.4",  # finds the words of a plain transcript in the sound; brings its US-English model
]
VIDEO = ["imageio-ffmpeg>=0.5"]  # reads and writes mp4; brings its own ffmpeg
CORE += VIDEO
DEMO = ["espeakng-loader>=0.2.4"]  # GPL library: speaks the sentences of the synthetic corpus
# Networks that fetch their weights themselves; not part of `all`.
VIDEO_METRICS = ["clean-fid", "lpips", "cpbd", "face-alignment", "torchvision", "scikit-image"]
DEV = ["pytest>=8", "bvhio>=1.5", "pytest-xdist>=3.5", "hypothesis>=6.100", "ruff>=0.6", "pre-commit>=3.5"]
DEV += ["playwright>=1.40"]  # drives an installed Chromium in `make test-long`; brings no browser itself

setup(
    name="emage",
    version=VERSION,
    description="Speech in, a moving person out: co-speech body gesture and face",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["emage", "emage.*", "dataloaders", "dataloaders.*"]),
    package_data={
        "emage": ["**/*.html", "**/*.css", "**/*.js", "**/*.json", "**/*.yaml", "**/*.safetensors"],
        "dataloaders": ["**/*.json", "**/*.txt"],
    },
    install_requires=CORE,
    extras_require={
        "dev": DEV,
        "demo": DEMO,
        "video": VIDEO,
        "video-metrics": VIDEO_METRICS,
        "all": DEV + DEMO + VIDEO,
    },
    entry_points={"console_scripts": ["emage = emage.cli:main"]},
)
