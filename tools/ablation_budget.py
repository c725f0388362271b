"""Equal training seconds for two systems: what a step costs is measured in short runs, and the number of steps follows.

Seconds are those of one core (user and system time of the process), so that what else runs beside does not count.
"""

import math
from dataclasses import dataclass

from emage.errors import InputError

# Of the two runs that a step's cost is measured in; start and validation cost much more than a few steps.
SHORT_STEPS, LONG_STEPS = 40, 400
NUM_VALIDATIONS = 5  # of a run of any length, so that its fixed cost is the same
FEWEST_STEPS = 20  # no run is shorter


@dataclass(frozen=True)
class Cost:
    """What training costs.

    Attributes:
        fixed_s: start, data, validations and checkpoints.
        step_s: one step.
    """

    fixed_s: float
    step_s: float

    @classmethod
    def of_runs(cls, short_s: float, long_s: float) -> "Cost":
        """From the seconds of a run of SHORT_STEPS and of one of LONG_STEPS.

        Raises:
            InputError: the longer run did not take longer; the machine was too busy to measure anything.
        """
        step_s = (long_s - short_s) / (LONG_STEPS - SHORT_STEPS)
        if step_s <= 0:
            raise InputError(
                f"ablation: {LONG_STEPS} steps took {long_s:.1f} s and {SHORT_STEPS} steps {short_s:.1f} s: no cost of a step"
                " can be measured; delete the folder `calibration` of --out and start again on a quieter machine"
            )
        return cls(max(0.0, short_s - SHORT_STEPS * step_s), step_s)

    def seconds(self, num_steps: int) -> float:
        """Of a run."""
        return self.fixed_s + num_steps * self.step_s

    def steps(self, seconds: float) -> int:
        """As many as fit, at least FEWEST_STEPS."""
        return max(FEWEST_STEPS, math.floor((seconds - self.fixed_s) / self.step_s))


def pace(num_steps: int) -> list[str]:
    """Overrides of a run of so many steps that validates and saves NUM_VALIDATIONS times."""
    every = max(1, math.ceil(num_steps / NUM_VALIDATIONS))
    return [f"optim.max_steps={num_steps}", f"optim.eval_every={every}", f"optim.save_every={every}"]


def unevenness(seconds_a: float, seconds_b: float) -> float:
    """How much more seconds A are than seconds B, as a share of B."""
    return seconds_a / seconds_b - 1
