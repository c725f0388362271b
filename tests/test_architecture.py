"""The floors of the house: an import goes down only, and siblings of one floor never import each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Longest prefix decides. Names of one floor 2 room are siblings; emage itself only forwards names (lazily).
FLOORS = {
    "emage.motion": 0,
    "emage.audio": 0,
    "emage.ffmpeg": 0,
    "emage.time_stamps": 0,
    "emage.sound_endings": 0,
    "emage.sound_file": 0,
    "emage.sound_headers": 0,
    "emage.sound_mix": 0,
    "emage.text": 0,
    "emage.text_encoding": 0,
    "emage.vocabulary": 0,
    "emage.word_vectors": 0,
    "emage.speakers": 0,
    "emage.performance": 0,
    "emage.performance_file": 0,
    "emage.words": 0,
    "emage.emotions": 0,
    "emage.errors": 0,
    "emage.array_inputs": 0,
    "emage.devices": 0,
    "emage.labels": 0,
    "emage.output_paths": 0,
    "emage": 0,
    "emage.config": 1,
    "emage.config_checks": 1,
    "emage.config_models": 1,
    "emage.face_config": 1,
    "emage.models": 2,
    "emage.losses": 2,
    "emage.metrics": 2,
    "dataloaders": 2,
    "emage.checkpoint": 3,
    "emage.tokenizers": 3,
    "emage.face_trunk": 3,
    "emage.completion": 3,
    "emage.decoding": 3,
    "emage.generation": 3,
    "emage.kept_motion": 3,
    "emage.slow_noise": 3,
    "emage.pretrained": 3,
    "emage.face_prediction": 3,
    "emage.export": 3,
    "emage.viewer": 3,
    "emage.result_files": 3,
    "emage.evaluation": 4,
    "emage.tokenizer_evaluation": 4,
    "emage.singinghead_suite": 4,
    "emage.streaming": 4,
    "emage.training": 5,
    "emage.cli": 6,
    "emage.commands": 6,
    "train": 6,
    "test": 6,
    "tools": 6,
}
# performance.save_* import their writer inside the method: the one upward import (docs/architecture.md).
ALLOWED_UPWARD = {("emage.performance", "emage.export")}
MAX_FILE_LINES = 400


def room(module: str) -> str | None:
    """The entry of FLOORS that a module belongs to; None for what is not ours."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in FLOORS:
            return None if name == "emage" and len(parts) > 1 else name
    return None


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import on line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def violations(module: str, tree: ast.AST) -> list[str]:
    """Rows `module -> imported: why` of the imports that the floors forbid."""
    here, rows = room(module), []
    for name in sorted(imported_modules(tree)):
        there = room(name)
        if there is None or here is None or there == here or (here, there) in ALLOWED_UPWARD:
            continue
        if FLOORS[there] > FLOORS[here]:
            rows.append(f"{module} -> {name}: floor {FLOORS[here]} imports floor {FLOORS[there]}")
        elif FLOORS[there] == FLOORS[here] == 2:
            rows.append(f"{module} -> {name}: siblings of floor 2")
        elif there == "dataloaders" and module.startswith("emage"):
            rows.append(f"{module} -> {name}: emage knows tensors, not disks")
    return rows


SOURCES = sorted(p for d in ("emage", "dataloaders", "tools") for p in (ROOT / d).rglob("*.py")) + [
    p for p in (ROOT / "train.py", ROOT / "test.py") if p.is_file()
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path):
    module = module_name(path)
    assert room(module) is not None or module == "emage", (
        f"{module} has no floor: give it one here and in docs/architecture.md"
    )
    assert violations(module, ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_small_enough_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize(
    "module, source, forbidden",
    [
        ("emage.motion.bvh", "from emage.config import Config", True),
        ("emage.models.camn", "from emage.metrics import fgd", True),
        ("emage.training.trainer", "import dataloaders.corpus", True),
        ("emage.motion.bvh", "import emage.export", True),
        ("emage.performance", "def f():\n    from emage.export import g", False),
        ("dataloaders.clip", "from emage.motion import rotation", False),
        ("tools.build_cache", "from dataloaders.cache import build_cache", False),
    ],
)
def test_the_check_itself_sees_each_kind_of_violation(module, source, forbidden):
    assert bool(violations(module, ast.parse(source))) is forbidden
