"""Reads back what runs have left in MLflow: studies, their trials, single runs."""

import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.stores import sqlite_file
from rnnexp.tracking import Tracker

CONFIG = "config.yaml"  # of a run's artifacts
PAGE = 1000  # runs a request


class Archive:
    """The runs of one MLflow store.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.

    Attributes:
        tracker: For what is written beside.
        client: MLflow's.

    Raises:
        NotFoundError: If there is no such store.
    """

    def __init__(self, uri: str | None) -> None:
        self.tracker = Tracker(uri, "unused")
        self.uri = self.tracker.uri
        file = sqlite_file(unquote(self.uri))
        if file and not file.exists():  # looking into it would make it
            raise NotFoundError(f"there are no runs: there is no {file}; give its --tracking-uri")
        self.client = self.tracker.client()

    def studies(self) -> list[Run]:
        """The runs of studies, newest first."""
        return self._search("tags.study != '' and tags.trial IS NULL and params.direction != ''")

    def study(self, name: str) -> Run:
        """The run of a study, by its name, its run's id, or the beginning of either.

        Raises:
            NotFoundError: If there is none, or more than one.
        """
        studies = self.studies()
        names = [run.data.tags["study"] for run in studies]
        if name in names:  # the newest, if there are several in as many experiments
            return studies[names.index(name)]
        found = [
            run
            for run, known in zip(studies, names, strict=True)
            if known.startswith(name) or run.info.run_id.startswith(name)
        ]
        return self._only(found, f"study {name}", names)

    def trials(self, study: Run) -> list[Run]:
        """The runs of a study's trials by their number, each with all that MLflow's table has."""
        found = self._search(
            f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study.info.run_id}' and tags.trial != ''",
            [study.info.experiment_id],
        )
        return sorted(found, key=lambda run: int(run.data.tags["trial"]))

    def run(self, name: str) -> Run:
        """A run by its id, its beginning, or as ``STUDY/NUMBER`` for a trial.

        Raises:
            NotFoundError: If there is none, or more than one.
        """
        study, _, number = name.rpartition("/")
        if study and number.isdecimal():
            trials = {run.data.tags["trial"]: run for run in self.trials(self.study(study))}
            if str(int(number)) in trials:
                return trials[str(int(number))]
            known = f"0 to {max(map(int, trials))}" if trials else "none"
            raise NotFoundError(f"study {study} has no trial {number}; there are {known}")
        found = []
        if name.isalnum():  # as ids are
            found = self._search(f"attributes.run_id LIKE '{name}%'")
        if not found:
            names = [run.data.tags["study"] for run in self.studies()]
            raise NotFoundError(
                f"there is no run {name} in {self.uri}; give the beginning of its id, or "
                f"STUDY/NUMBER{_near(name.partition('/')[0], names)}"
            )
        return self._only(found, f"run {name}", [])

    def config(self, run: Run) -> DictConfig:
        """The whole config that a run was made with, resolved.

        Raises:
            NotFoundError: If the run has none, as of another program.
        """
        with tempfile.TemporaryDirectory() as folder:
            config = OmegaConf.load(self.download(run, CONFIG, Path(folder)))
        if not isinstance(config, DictConfig):
            raise NotFoundError(f"run {run.info.run_id}: its {CONFIG} is no config")
        return config

    def download(self, run: Run, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder.

        Raises:
            NotFoundError: If the run has no such artifact.
        """
        try:
            return self.tracker.download(run.info.run_id, path, folder)
        except (MlflowException, OSError) as error:
            raise NotFoundError(
                f"run {run.info.run_id} has no {path}; it was not made by rnnexp, or its "
                "artifacts were deleted"
            ) from error

    def _search(self, query: str, experiments: list[str] | None = None) -> list[Run]:
        where = experiments or [found.experiment_id for found in self.client.search_experiments()]
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                where, query, ViewType.ACTIVE_ONLY, max_results=PAGE, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def _only(self, found: Sequence[Run], what: str, names: Sequence[str]) -> Run:
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFoundError(f"there is no {what} in {self.uri}{_near(what[6:], names)}")
        shown = ", ".join(f"{run.info.run_id[:8]} ({run.info.run_name})" for run in found[:5])
        raise NotFoundError(f"{what} can be any of {len(found)}: {shown}; give more of it")


def _near(name: str, names: Sequence[str]) -> str:
    """What to say of the studies that there are."""
    distinct = list(dict.fromkeys(names))
    if not distinct:
        return ""
    near = get_close_matches(name, distinct, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ";"
    return f"{hint} studies are {', '.join(distinct[:10])}"
