"""The models that come with the package, a checkpoint folder each; `make pretrained` trains them (README says on what)."""

from pathlib import Path

from emage.errors import InputError

FOLDER = Path(__file__).parent
DEFAULT_NAME = "synthetic"


def pretrained_names() -> list[str]:
    """Names of the models inside the package."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and (path / "config.yaml").is_file())


def pretrained_folder(name: str) -> Path:
    """The folder of a model inside the package.

    Raises:
        InputError: there is none of that name.
    """
    if name not in pretrained_names():
        known = ", ".join(pretrained_names()) or "none; `make pretrained` makes one"
        raise InputError(f"model {name!r}: not in the package (there: {known}); give its name or a checkpoint folder")
    return FOLDER / name
