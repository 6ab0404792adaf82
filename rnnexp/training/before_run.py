"""The check of a single run, before Hydra makes the run's folder."""

import sys
import traceback
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from rnnexp.errors import ConfigError, RnnexpError, message_alone
from rnnexp.library_defaults import set_library_defaults


class CheckBeforeRun(Callback):
    """A callback of Hydra's that ends a single run whose config can't work: nothing is left behind.

    A sweep has its own check (rnnexp/sweep/preflight.py).
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Check the config.

        Args:
            config: The composed config of the run, as Hydra passes it.
            **kwargs: The name of the config.
        """
        # Imported here: Hydra imports the callback at every start of a job.
        set_library_defaults()
        from rnnexp.training.trial import run_problems

        with message_alone():
            try:
                problems = run_problems(config)
            except RnnexpError:
                raise
            except Exception:  # which Hydra would make a warning, and then begin the run
                traceback.print_exc()
                sys.exit(1)
            if problems:
                raise ConfigError(problems)
