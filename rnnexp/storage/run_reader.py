"""Read what runs have left in MLflow: studies, their trials, single runs."""

import json
from collections.abc import Mapping, Sequence

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.errors import NotFoundError, SchemaError
from rnnexp.formatting import did_you_mean
from rnnexp.identity import Identity
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.run_contents import ArtifactReader
from rnnexp.storage.schema import Kind, Metrics, Tags, run_problem

PAGE = 1000  # runs a request


class RunReader(ArtifactReader):
    """The runs of an MLflow store by name: studies, trials, single runs.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.
        trust: Whether the code that the runs' configs name may be imported.

    Raises:
        NotFoundError: If there is no such store.
    """

    def studies(self) -> list[Run]:
        """Return the runs of studies, newest first, of whatever schema version."""
        return self._search(f"tags.`{Tags.KIND}` = '{Kind.STUDY}'")

    def study(self, name: str) -> Run:
        """Return the run of a study, by its name, its run's id, or the beginning of either.

        Raises:
            NotFoundError: If there is no such study, or more than one.
            SchemaError: If the study has another schema version.
        """
        studies = self.studies()
        names = [run.data.tags[Tags.STUDY] for run in studies]
        if name in names:  # the newest, if several experiments have such a study
            return _readable(studies[names.index(name)])
        found = [
            run
            for run, known in zip(studies, names, strict=True)
            if known.startswith(name) or run.info.run_id.startswith(name)
        ]
        return self._only(found, "study", name, names)

    def trials(self, study: Run) -> list[Run]:
        """Return the runs of a study's trials in the order of their numbers."""
        found = self._nested(study, Kind.TRIAL)
        return sorted(found, key=lambda run: int(run.data.tags[Tags.TRIAL]))

    def confirmations(self, study: Run) -> list[Run]:
        """Return the runs in which the best trials of a study were trained again, newest first."""
        return self._nested(study, Kind.CONFIRMATION)

    def run(self, name: str) -> Run:
        """Return a run by its id, the beginning of its id, or as ``STUDY/NUMBER`` for a trial.

        Raises:
            NotFoundError: If there is no such run, or more than one.
            SchemaError: If the run has another schema version.
        """
        study, _, number = name.rpartition("/")
        if study and number.isdecimal():
            trials = {run.data.tags[Tags.TRIAL]: run for run in self.trials(self.study(study))}
            if str(int(number)) in trials:
                return _readable(trials[str(int(number))])
            for deleted in self._nested(self.study(study), Kind.TRIAL, ViewType.DELETED_ONLY):
                if deleted.data.tags[Tags.TRIAL] == str(int(number)):
                    raise NotFoundError(f"{name}: {self.store.run_problem(deleted.info.run_id)}")
            known = f"0 to {max(map(int, trials))}" if trials else "none"
            raise NotFoundError(f"study {study} has no trial {number}; there are {known}")
        found = self._by_id(name)
        names = [] if found else [run.data.tags[Tags.STUDY] for run in self.studies()]
        return self._only(found, "run", name, names)

    def study_or_run(self, name: str) -> Run:
        """Return the run of a study or another run, by a name that `study` or `run` takes.

        Raises:
            NotFoundError: If there is no such run, or more than one.
            SchemaError: If the run has another schema version.
        """
        studies = self.studies()
        names = [run.data.tags[Tags.STUDY] for run in studies]
        if name in names:
            return _readable(studies[names.index(name)])
        if name.rpartition("/")[2].isdecimal() and "/" in name:
            return self.run(name)
        named = [run for run, known in zip(studies, names, strict=True) if known.startswith(name)]
        ids = {run.info.run_id for run in named}
        found = named + [run for run in self._by_id(name) if run.info.run_id not in ids]
        return self._only(found, "study or run", name, names)

    def _nested(self, study: Run, kind: Kind, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        parent = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study.info.run_id}'"
        query = f"{parent} and tags.`{Tags.KIND}` = '{kind}'"
        return self._search(query, [study.info.experiment_id], view)

    def _by_id(self, beginning: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        if not beginning.isalnum():  # an id has letters and digits alone
            return []
        return self._search(f"attributes.run_id LIKE '{beginning}%'", view=view)

    def _deleted(self, name: str) -> Run | None:
        """Return a run that was deleted in MLflow, by its id or as the newest of a study's name."""
        view = ViewType.DELETED_ONLY
        studies = self._search(f"tags.`{Tags.KIND}` = '{Kind.STUDY}'", view=view)
        named = [run for run in studies if run.data.tags.get(Tags.STUDY) == name]
        return next(iter(self._by_id(name, view) or named), None)

    def _search(
        self,
        query: str,
        experiments: list[str] | None = None,
        view: int = ViewType.ACTIVE_ONLY,
    ) -> list[Run]:
        # A deleted experiment's runs are deleted, too.
        of = ViewType.ALL if view == ViewType.DELETED_ONLY else ViewType.ACTIVE_ONLY
        found = [] if experiments else self.client.search_experiments(of)
        where = experiments or [experiment.experiment_id for experiment in found]
        return search_runs(self.client, where, query, view)

    def _only(self, found: Sequence[Run], kind: str, name: str, names: Sequence[str]) -> Run:
        if len(found) == 1:
            return _readable(found[0])
        if found:
            shown = ", ".join(f"{run.info.run_id[:8]} ({run.info.run_name})" for run in found[:5])
            raise NotFoundError(
                f"{kind} {name} can be any of {len(found)}: {shown}; give more characters of it"
            )
        if deleted := self._deleted(name):
            problem = self.store.run_problem(deleted.info.run_id)
            raise NotFoundError(f"{deleted.info.run_name}: {problem}")
        how = "; give the beginning of its id, or STUDY/NUMBER" if "run" in kind else ""
        known = list(dict.fromkeys(names))
        near = did_you_mean(name.partition("/")[0] if "run" in kind else name, known)
        studies = f"; studies are {', '.join(known[:10])}" if known else ""
        raise NotFoundError(f"there is no {kind} {name} in {self.uri}{how}{near}{studies}")


def search_runs(
    client: MlflowClient, experiments: list[str], query: str, view: int = ViewType.ACTIVE_ONLY
) -> list[Run]:
    """Return all runs that MLflow finds, page by page.

    Args:
        client: MLflow's client of the store.
        experiments: The ids of the experiments to search.
        query: What runs have to be like, in MLflow's language of filters.
        view: Whether runs that were deleted are found.
    """
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(experiments, query, view, max_results=PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


@retry_transient
def runs_with_checkpoint(client: MlflowClient, study_run: str) -> set[str]:
    """Return the ids of the runs of a study's trials that have a checkpoint."""
    experiment = client.get_run(study_run).info.experiment_id
    nested = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study_run}'"
    query = f"{nested} and tags.`{Tags.CHECKPOINT}` LIKE '%'"
    return {run.info.run_id for run in search_runs(client, [experiment], query)}


def is_study(run: Run) -> bool:
    """Return whether a run is that of a study, not that of a trial or a single run."""
    return run.data.tags.get(Tags.KIND) == Kind.STUDY


def objective_of(run: Run) -> Objective | None:
    """Return what a run's best value is of; None if the run has not stored it."""
    text = run.data.tags.get(Tags.OBJECTIVE)
    return Objective.parse(text) if text else None


def objectives_of(run: Run) -> Objectives | None:
    """Return the objectives of a study by its run; None if the run has not stored them."""
    first, others = objective_of(run), run.data.tags.get(Tags.OBJECTIVES)
    return Objectives.from_json(first, json.loads(others) if others else None) if first else None


def identity_in(tags: Mapping[str, str]) -> Identity | None:
    """Return what a best value is measured on and by, from the tags of a run or of a model.

    Returns:
        The identity; the objective alone if the application stores no more; None without either.
    """
    if Tags.IDENTITY in tags:
        return Identity.parse(tags[Tags.IDENTITY])
    return Identity(tags[Tags.OBJECTIVE]) if Tags.OBJECTIVE in tags else None


def metrics_on_test(run: Run) -> dict[str, float]:
    """Return the metrics of a run on the test part, by name without the prefix."""
    return {
        name.removeprefix(Metrics.TEST): value
        for name, value in run.data.metrics.items()
        if name.startswith(Metrics.TEST)
    }


def _readable(run: Run) -> Run:
    if problem := run_problem(run.data.tags):
        raise SchemaError(f"{run.data.tags.get(Tags.KIND, 'run')} {run.info.run_name} {problem}")
    return run
