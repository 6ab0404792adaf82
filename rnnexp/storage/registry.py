"""MLflow's model registry: versions of a name, and which of them is the champion.

The alias ``champion`` goes to a version whose ``best_value`` is better than that of the present
champion, where both values are measured on and by the same: see `rnnexp.identity.Identity`. Where
there is no champion, the version becomes the champion. Where the identities differ, the values
can't be compared: the alias stays, and a person may move it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rnnexp.identity import Identity
from rnnexp.objective import Objective
from rnnexp.storage.schema import ModelTags

CHAMPION = "champion"  # MLflow alias
_TRACKING_URI = "MLFLOW_TRACKING_URI"
_REFUSED = re.compile(r"[/:?\x00-\x1f]")


def name_problem(name: str) -> str | None:
    """Return why models can't be registered under a name, or found by it; None if they can."""
    if not name.strip():
        return "is empty"
    if _REFUSED.search(name) or name == "." or name.startswith(".."):
        return "names of registered models have no / : ? in them, and don't begin with .."
    return None


@dataclass(frozen=True)
class Decision:
    """Whether a version becomes the champion.

    Attributes:
        wins: Whether the version becomes the champion.
        why: The reason, as half a sentence.
    """

    wins: bool
    why: str


def compare(new: Mapping[str, str], champion: Mapping[str, str] | None) -> Decision:
    """Compare a version with the champion, by the rule of this module.

    Args:
        new: The version's tags, among them ``identity``, ``objective`` and ``best_value``.
        champion: The champion's tags; None if there is no champion.
    """
    if champion is None:
        return Decision(True, "there was no champion")
    if ModelTags.IDENTITY not in champion or ModelTags.BEST_VALUE not in champion:
        unknown = f"no tags {ModelTags.IDENTITY} and {ModelTags.BEST_VALUE}"
        return Decision(False, f"the champion has {unknown} to be compared by")
    old, own = (Identity.parse(tags[ModelTags.IDENTITY]) for tags in (champion, new))
    if found := old.differences(own, "the champion's", "this one's"):
        return Decision(False, f"the two can't be compared: {'; '.join(found)}")
    value, its = float(new[ModelTags.BEST_VALUE]), float(champion[ModelTags.BEST_VALUE])
    wins = Objective.parse(new[ModelTags.OBJECTIVE]).is_better(value, than=its)
    relation = "is better than" if wins else "isn't better than"
    return Decision(
        wins, f"its {ModelTags.BEST_VALUE} {value:.6g} {relation} the champion's {its:.6g}"
    )


class Registry:
    """One name in MLflow's registry.

    Args:
        client: MLflow's client of the store.
        name: The name of the registered model, which is made with its first version.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._name = name

    def version_of(self, model_id: str, study_run: str) -> ModelVersion | None:
        """Return the version of a study's logged model under this name; None if it has none."""
        return next(iter(self._versions_of(model_id, study_run)), None)

    def _versions_of(self, model_id: str, study_run: str) -> list[ModelVersion]:
        found: list[ModelVersion] = self._client.search_model_versions(f"run_id = '{study_run}'")
        source = _source(model_id)
        return [v for v in found if (v.name, v.source) == (self._name, source)]

    def add(self, model_id: str, study_run: str, tags: Mapping[str, str]) -> ModelVersion:
        """Add a version.

        Returns:
            The new version.
        """
        try:
            self._client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        with _as_default_store(self._client.tracking_uri):
            version: ModelVersion = self._client.create_model_version(
                self._name,
                _source(model_id),
                run_id=study_run,
                tags=dict(tags),
                model_id=model_id,
                await_creation_for=0,  # or MLflow logs that it waits
            )
        # MLflow repeats a request whose answer was lost, which makes a second version.
        for other in self._versions_of(model_id, study_run):
            if str(other.version) != str(version.version):
                self._client.delete_model_version(self._name, other.version)
        return version

    def champion(self) -> ModelVersion | None:
        """Return the present champion; None if there is no champion."""
        aliases = self._client.get_registered_model(self._name).aliases
        if CHAMPION not in aliases:
            return None
        version: ModelVersion = self._client.get_model_version(self._name, str(aliases[CHAMPION]))
        return version

    def make_champion(self, version: str) -> None:
        """Make a version the champion."""
        self._client.set_registered_model_alias(self._name, CHAMPION, version)

    def describe(self, version: str, text: str) -> None:
        """Set a version's description."""
        self._client.update_model_version(self._name, version, text)


def _source(model_id: str) -> str:
    return f"models:/{model_id}"


@contextmanager
def _as_default_store(uri: str) -> Iterator[None]:
    """Let MLflow look a model up in this store: it would ask its default store, and make one."""
    before = os.environ.get(_TRACKING_URI)
    os.environ[_TRACKING_URI] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TRACKING_URI]
        else:
            os.environ[_TRACKING_URI] = before
