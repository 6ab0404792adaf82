"""MLflow's model registry: versions of a name, and which of them is the champion.

The alias ``champion`` goes to a version that is better by ``best_value``, on the validation part,
than the present champion, where both have the same data and the same objective. Where there is no
champion, the version becomes it. On other data, or by another objective, values can't be compared:
the alias stays, and is moved by hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

CHAMPION = "champion"
# Tags of a model and of its versions.
RUN, DATA, OBJECTIVE, VALUE = "run", "data", "objective", "best_value"
_REFUSED = re.compile(r"[/:?\x00-\x1f]")


def name_problem(name: str) -> str | None:
    """Why models can't be registered under a name, or found by it; None if they can."""
    if not name.strip():
        return "is empty"
    if _REFUSED.search(name) or name == "." or name.startswith(".."):
        return "names of registered models have no / : ? in them, and don't begin with .."
    return None


@dataclass(frozen=True)
class Verdict:
    """Whether a version becomes the champion.

    Attributes:
        wins: Whether it does.
        why: The reason, as half a sentence.
    """

    wins: bool
    why: str


def compare(new: Mapping[str, str], champion: Mapping[str, str] | None) -> Verdict:
    """Hold a version against the champion, by the rule of this module.

    Args:
        new: The version's tags ``data``, ``objective`` (such as ``min val_loss``) and
            ``best_value``.
        champion: The champion's; None if there is none.
    """
    if champion is None:
        return Verdict(True, "there was no champion")
    for tag, what in ((DATA, "on other data"), (OBJECTIVE, "by another objective")):
        if (was := champion.get(tag)) != new[tag]:
            told = f"{was}, this one {new[tag]}" if was else f"it has no tag {tag}"
            return Verdict(False, f"the champion was chosen {what} ({told})")
    mine, its = float(new[VALUE]), float(champion[VALUE])
    better = mine > its if new[OBJECTIVE].startswith("max ") else mine < its
    relation = "is better than" if better else "isn't better than"
    return Verdict(better, f"its {VALUE} {mine:.6g} {relation} the champion's {its:.6g}")


class Registry:
    """One name in MLflow's registry.

    Args:
        client: MLflow's.
        name: The name of the registered model; made when the first version is.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._name = name

    def version_of(self, model_id: str, study_run: str) -> ModelVersion | None:
        """The version that a logged model of a study has under this name; None if none."""
        found: list[ModelVersion] = self._client.search_model_versions(f"run_id = '{study_run}'")
        source = _source(model_id)
        return next((v for v in found if (v.name, v.source) == (self._name, source)), None)

    def add(self, model_id: str, study_run: str, tags: Mapping[str, str]) -> ModelVersion:
        """A new version."""
        try:
            self._client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version: ModelVersion = self._client.create_model_version(
            self._name,
            _source(model_id),
            run_id=study_run,
            tags=dict(tags),
            model_id=model_id,
            await_creation_for=0,  # MLflow would report that it waits
        )
        return version

    def champion(self) -> ModelVersion | None:
        """The present champion; None if there is none."""
        aliases = self._client.get_registered_model(self._name).aliases
        if CHAMPION not in aliases:
            return None
        version: ModelVersion = self._client.get_model_version(self._name, str(aliases[CHAMPION]))
        return version

    def crown(self, version: str) -> None:
        """Make a version the champion."""
        self._client.set_registered_model_alias(self._name, CHAMPION, version)

    def describe(self, version: str, text: str) -> None:
        """Set a version's description."""
        self._client.update_model_version(self._name, version, text)


def _source(model_id: str) -> str:
    return f"models:/{model_id}"
