"""What pruning has saved in a study."""

from statistics import median

from optuna.trial import TrialState

from rnnexp.report.snapshot import Snapshot


def saved(snapshot: Snapshot) -> tuple[int, float] | None:
    """Return the epochs and seconds that pruning has saved; None if none is pruned, or complete.

    A pruned trial is taken to need as many epochs as the median of the complete trials, at the
    speed of its own epochs.
    """
    pruned = [row for row in snapshot.rows if row.trial.state == TrialState.PRUNED and row.epochs]
    if not pruned or not snapshot.complete:
        return None
    usual = round(median(len(trial.intermediate_values) for trial in snapshot.complete))
    saved = [(max(usual - row.epochs, 0), row) for row in pruned]
    seconds = sum(epochs * (row.seconds or 0.0) / row.epochs for epochs, row in saved)
    return sum(epochs for epochs, _ in saved), seconds
