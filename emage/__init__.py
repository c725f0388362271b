"""Speech in, a moving person out: the public names of the project, imported when they are first used.

`import emage` costs nothing: torch and the networks are loaded by the first name that needs them (PEP 562).
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Config": "emage.config",
    "Generator": "emage.generation",
    "InputError": "emage.errors",
    "Pair": "emage.evaluation",
    "Performance": "emage.performance",
    "evaluate": "emage.evaluation",
    "load_config": "emage.config",
    "load_pretrained": "emage.generation",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emage' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
