"""``rnnexp stop``, ``pause``, ``resume`` and ``budget``: orders to a sweep that runs, anywhere."""

from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import STORAGE
from rnnexp.orders import TRIALS, Action
from rnnexp.storage.schema import StudyAttrs

if TYPE_CHECKING:
    import optuna

TARGET = click.argument("target", metavar="STUDY[/TRIAL]")
# What follows, of a study and of a trial.
_FOLLOWS = {
    Action.STOP: (
        "running trials end after their epoch; then the best trial is evaluated and published",
        "the trial ends after its epoch, as pruned",
    ),
    Action.PAUSE: (
        "running trials pause after their epoch, and none begins until: rnnexp resume {}",
        "the trial pauses after its epoch, until: rnnexp resume {}",
    ),
    Action.RESUME: ("trials go on", "the trial goes on when a slot is free"),
}


@click.command()
@TARGET
@STORAGE
def stop(target: str, storage: str) -> None:
    """Stop a running sweep, or one of its trials.

    The sweep ends as when its budget is spent: running trials end after their epoch, then the best
    trial is evaluated and published. A trial that is stopped is pruned. Where several sweeps share
    the study, all of them obey.
    """
    _order(Action.STOP, target, storage)


@click.command()
@TARGET
@STORAGE
def pause(target: str, storage: str) -> None:
    """Pause a running sweep, or one of its trials.

    Running trials pause after their epoch, and none begins, until `rnnexp resume`. The sweep waits.
    """
    _order(Action.PAUSE, target, storage)


@click.command()
@TARGET
@STORAGE
def resume(target: str, storage: str) -> None:
    """Let a paused sweep, or a paused trial, go on.

    A study whose sweep has ended goes on by `python sweep.py -m hydra.sweeper.resume=STUDY`.
    """
    _order(Action.RESUME, target, storage)


@click.command()
@click.argument("study")
@click.option("--trials", required=True, type=click.IntRange(min=1), help="The number of trials.")
@STORAGE
def budget(study: str, trials: int, storage: str) -> None:
    """Give a running sweep another number of trials.

    The number takes the place of n_trials. It may be larger or smaller; trials that have begun end
    as they would.
    """
    loaded, _ = _loaded(study, storage, may_be_trial=False)
    _need_sweep(loaded, f"hydra.sweeper.n_trials={trials}")
    _give(loaded, f"{TRIALS}={trials}", None, "budget")
    click.echo(f"study {study}: n_trials={trials} from now on")


def _order(action: Action, target: str, storage: str) -> None:
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    import shlex

    from rnnexp.storage.stored_orders import trial_problem

    study, number = _loaded(target, storage, may_be_trial=True)
    if number is not None and (problem := trial_problem(study, number)):
        raise click.ClickException(problem)
    _need_sweep(study)
    _give(study, action, number, action)
    follows = _FOLLOWS[action][number is not None].format(shlex.quote(target))
    click.echo(f"{'study' if number is None else 'trial'} {target}: {follows}")


def _loaded(target: str, storage: str, *, may_be_trial: bool) -> "tuple[optuna.Study, int | None]":
    """Load a study by its name, or the one of a trial, ``STUDY/NUMBER``, with the number."""
    import optuna

    from rnnexp.cli.optuna_study import load_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name, _, number = target.rpartition("/")
    if may_be_trial and name and number.isascii() and number.isdecimal():
        return load_study(name, storage), int(number)
    return load_study(target, storage), None


def _need_sweep(study: "optuna.Study", *overrides: str) -> None:
    """Raise an error, with the command that resumes the study, if no sweep works on it."""
    from rnnexp.search.quoting import as_value, for_shell
    from rnnexp.sweep.heartbeat import live_sweeps

    if live_sweeps(study):
        return
    name = study.study_name
    given = ["-m", f"hydra.sweeper.resume={as_value(name)}", *overrides]
    script = study.user_attrs.get(StudyAttrs.SCRIPT, "sweep.py")
    command = " ".join(["python", *map(for_shell, [script, *given])])
    raise click.ClickException(
        f"no sweep of study {name} is running; to let the study go on: {command}, with the other "
        "overrides of its first command"
    )


def _give(study: "optuna.Study", text: str, number: int | None, command: str) -> None:
    import socket

    from rnnexp.storage.provenance import user
    from rnnexp.storage.stored_orders import give_order

    who = f"{user() or 'somebody'}@{socket.gethostname()}"
    give_order(study, text, number, by=f"rnnexp {command}", who=who)
