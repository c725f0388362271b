"""Which device a network can run on."""

import torch

from emage.errors import InputError

KINDS = ("cpu", "cuda", "mps", "xpu")  # of devices that compute; torch has more names, e.g. "meta" holds no values


def usable_device(name: str | torch.device) -> torch.device:
    """The device of a name, once it has computed something.

    Args:
        name: as torch names devices, e.g. "cpu", "cuda" or "cuda:1".

    Raises:
        InputError: no such device in this machine or in this build of torch.
    """
    kind = str(name).partition(":")[0]
    if isinstance(name, str) and kind not in KINDS:
        raise InputError(f"device: got {str(name)!r}; choose {_choices()}")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).sum().item()
    except Exception as error:  # each backend of torch raises classes of its own: RuntimeError, AssertionError, ...
        reason = next(iter(str(error).splitlines()), type(error).__name__).split(". ")[0].rstrip(".")
        raise InputError(f"device: {str(name)!r} cannot be used here: {reason}; choose {_choices()}") from error
    return device


def _choices() -> str:
    return "cpu or cuda" if torch.cuda.is_available() else "cpu (torch finds no GPU)"
