"""Reads back what runs have left in MLflow: studies, their trials, single runs."""

import json
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.uris import sqlite_file

CONFIG, ENVIRONMENT = "config.yaml", "environment.json"  # of a run's artifacts
PAGE = 1000  # runs a request


class RunReader:
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
        return self._only(found, "study", name, names)

    def trials(self, study: Run) -> list[Run]:
        """The runs of a study's trials by their number, each with all that MLflow's table has."""
        found = self._nested(study, "trial")
        return sorted(found, key=lambda run: int(run.data.tags["trial"]))

    def confirmations(self, study: Run) -> list[Run]:
        """The runs in which the leaders of a study were trained again, newest first."""
        return self._nested(study, "confirms")

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
        found = self._by_id(name)
        names = [] if found else [run.data.tags["study"] for run in self.studies()]
        return self._only(found, "run", name, names)

    def study_or_run(self, name: str) -> Run:
        """A study's run or another, by what `study` or `run` take; see `is_study`.

        Raises:
            NotFoundError: If there is none, or more than one.
        """
        studies = self.studies()
        names = [run.data.tags["study"] for run in studies]
        if name in names:
            return studies[names.index(name)]
        if name.rpartition("/")[2].isdecimal() and "/" in name:
            return self.run(name)
        named = [run for run, known in zip(studies, names, strict=True) if known.startswith(name)]
        ids = {run.info.run_id for run in named}
        found = named + [run for run in self._by_id(name) if run.info.run_id not in ids]
        return self._only(found, "study or run", name, names)

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

    def environment(self, run: Run) -> dict[str, Any] | None:
        """What a run was made in: packages, machine, git; None if it didn't note it."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = self.download(run, ENVIRONMENT, Path(folder))
            except NotFoundError:
                return None
            found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None

    def epochs(self, run: Run, metric: str) -> list[tuple[int, float]]:
        """A metric's values by epoch, counted from 0."""
        history = self.client.get_metric_history(run.info.run_id, metric)
        return sorted({entry.step: entry.value for entry in history}.items())

    def download(self, run: Run, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder.

        Raises:
            NotFoundError: If the run has no such artifact.
        """
        try:
            return self.tracker.download(run.info.run_id, path, folder)
        except (MlflowException, OSError) as error:
            why = "it was not made by rnnexp, or its artifacts were deleted"
            if run.info.status == "RUNNING":
                why = "it has not ended yet"
            raise NotFoundError(f"run {run.info.run_id} has no {path}; {why}") from error

    def _nested(self, study: Run, tag: str) -> list[Run]:
        return self._search(
            f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study.info.run_id}' and tags.{tag} != ''",
            [study.info.experiment_id],
        )

    def _by_id(self, beginning: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        if not beginning.isalnum():  # as ids are
            return []
        return self._search(f"attributes.run_id LIKE '{beginning}%'", view=view)

    def _search(
        self,
        query: str,
        experiments: list[str] | None = None,
        view: int = ViewType.ACTIVE_ONLY,
    ) -> list[Run]:
        where = experiments or [found.experiment_id for found in self.client.search_experiments()]
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(where, query, view, max_results=PAGE, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def _only(self, found: Sequence[Run], kind: str, name: str, names: Sequence[str]) -> Run:
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(f"{run.info.run_id[:8]} ({run.info.run_name})" for run in found[:5])
            raise NotFoundError(
                f"{kind} {name} can be any of {len(found)}: {shown}; give more of it"
            )
        if deleted := self._by_id(name, ViewType.DELETED_ONLY):
            raise NotFoundError(
                f"run {name} was deleted in MLflow; to have it back: "
                f"mlflow runs restore --run-id {deleted[0].info.run_id}"
            )
        how = "; give the beginning of its id, or STUDY/NUMBER" if "run" in kind else ""
        near = _near(name.partition("/")[0] if "run" in kind else name, names)
        raise NotFoundError(f"there is no {kind} {name} in {self.uri}{how}{near}")


def is_study(run: Run) -> bool:
    """Whether it is the run of a study, not that of a trial or a single run."""
    return "direction" in run.data.params and "trial" not in run.data.tags


def _near(name: str, names: Sequence[str]) -> str:
    """What to say of the studies that there are."""
    distinct = list(dict.fromkeys(names))
    if not distinct:
        return ""
    near = get_close_matches(name, distinct, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ";"
    return f"{hint} studies are {', '.join(distinct[:10])}"
