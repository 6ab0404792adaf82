"""Whether a launcher runs as many jobs at once as were asked for."""

from hydra.plugins.launcher import Launcher

from rnnexp.execution.launching import Jobs

ONE_BY_ONE = {"BasicLauncher"}  # Hydra's launchers that run a batch one job after the other
GROWING = {"DaskLauncher"}  # launchers whose slots become more while the sweep runs


def too_few_slots(launcher: Launcher, jobs: Jobs, n_jobs: int | None) -> str | None:
    """Return the message on a launcher that runs fewer jobs at once than were asked for.

    Args:
        launcher: The launcher.
        jobs: The launcher's jobs.
        n_jobs: The sweeper's ``n_jobs``; None if no number was asked for.

    Returns:
        The message, with the launcher to choose; None if there are enough slots.
    """
    name = type(launcher).__name__
    if name in GROWING:
        return None
    slots = 1 if name in ONE_BY_ONE else jobs.n_jobs
    if n_jobs is None or slots >= n_jobs:
        return None
    runs = f"runs {slots} trial{'s' if slots > 1 else ''} at a time"
    return (
        f"hydra.sweeper.n_jobs={n_jobs}, but the launcher {runs}; choose hydra/launcher=workers, "
        f"and leave out hydra.launcher.n_jobs, to run {n_jobs}"
    )
