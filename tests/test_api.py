"""`import emage`: what is public, and that it costs nothing until it is used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import emage

ROOT = Path(__file__).resolve().parents[1]


def test_every_public_name_is_there():
    assert {"load_pretrained", "Generator", "Performance", "evaluate", "__version__"} <= set(emage.__all__)
    for name in emage.__all__:
        assert getattr(emage, name) is not None
        assert name in dir(emage)


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known():
    with pytest.raises(AttributeError, match="no attribute 'generate_everything'; it has .*load_pretrained"):
        _ = emage.generate_everything
    assert not hasattr(emage, "nothing")


def test_importing_emage_loads_neither_torch_nor_any_of_its_modules():
    code = "import sys, emage; print(sorted(m for m in sys.modules if m.startswith(('torch', 'emage.'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_public_name_hides_a_module():
    """A lazy name that is a module's too would change its meaning with the order of imports."""
    modules = {path.stem for path in (ROOT / "emage").glob("*.py")} | {p.name for p in (ROOT / "emage").iterdir()}
    assert not set(emage.__all__) & modules


def test_the_version_is_a_plain_literal_that_setup_can_read():
    text = (ROOT / "emage" / "__init__.py").read_text(encoding="utf-8")
    assert re.search(r'^__version__ = "([^"]+)"', text, re.M).group(1) == emage.__version__
