"""The user's own command at the end of a sweep: ``hydra.sweeper.on_end``, such as a message."""

import logging
import os
import subprocess

from rnnexp.errors import one_line
from rnnexp.passwords import conceal
from rnnexp.sweep.outcome import SweepOutcome

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # seconds, after which the sweep ends without the command
SHELL = "/bin/sh"


def on_end_problems(command: object) -> list[str]:
    """Return what is wrong with a command; empty if nothing is wrong, or none is given."""
    if command is None or (isinstance(command, str) and command.strip()):
        return []
    return [f"hydra.sweeper.on_end={command!r}: give a command of the shell, or null for none"]


def run_on_end(command: str | None, outcome: SweepOutcome) -> None:
    """Run a command; one that fails is logged, and the sweep ends as it would without.

    Args:
        command: The command, for a shell; None for none.
        outcome: The outcome of the sweep, which the command gets in its environment.
    """
    if command is None:
        return
    try:
        ended = subprocess.run(  # noqa: S603, it is the user's own
            [SHELL, "-c", command], env=os.environ | environment_of(outcome), timeout=TIMEOUT,
            check=False, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("hydra.sweeper.on_end has failed: %s", conceal(one_line(error)))
        return
    if ended.returncode:
        reason = conceal(ended.stderr.strip()[-500:]) or "it has printed no reason"
        log.warning("hydra.sweeper.on_end has failed (exit code %s): %s", ended.returncode, reason)


def environment_of(outcome: SweepOutcome) -> dict[str, str]:
    """Return what a command is told of the outcome of a sweep, as environment variables.

    ``RNNEXP_STATE`` is ``finished``, ``interrupted`` or ``failed``.
    """
    failed = outcome.error or not outcome.best or outcome.failed_steps
    state = "interrupted" if outcome.is_interrupted else "failed" if failed else "finished"
    told = {
        "STUDY": outcome.study,
        "STATE": state,
        "STOPPED": outcome.stopped,
        "TRIALS": str(sum(outcome.counts.values())),
    }
    if best := outcome.best:
        told |= {
            "BEST_TRIAL": str(best.number),
            "BEST_VALUE": repr(best.value),
            "BEST_PARAMS": " ".join(f"{key}={text}" for key, text in best.params.items()),
        }
    if outcome.report:
        told["REPORT"] = str(outcome.report)
    return {f"RNNEXP_{name}": text for name, text in told.items()}
