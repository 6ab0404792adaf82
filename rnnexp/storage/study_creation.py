"""A new study in Optuna, which is made once, also where the storage's answer is lost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import StudyAttrs

if TYPE_CHECKING:
    import optuna


def create_study(
    name: str | None,
    storage: "optuna.storages.BaseStorage",
    *,
    directions: Sequence[Literal["minimize", "maximize"]],
    **parts: Any,
) -> "optuna.Study":
    """Create a study, retrying while the storage is unreachable.

    A connection may break after the study was stored, but before the answer has arrived. The next
    attempt then finds the study, in which nobody has stored anything.

    Args:
        name: The study's name; None for a name that Optuna makes up.
        storage: Optuna's storage.
        directions: What is better of each value, a smaller or a greater one.
        **parts: The sampler and the pruner.

    Raises:
        optuna.exceptions.DuplicatedStudyError: If there is a study with this name.
        Exception: Whatever the storage raises, on a transient error after ten minutes.
    """
    import optuna

    n_attempts = 0

    @retry_transient
    def create() -> optuna.Study:
        nonlocal n_attempts
        n_attempts += 1
        try:
            return optuna.create_study(
                study_name=name, storage=storage, directions=directions, **parts
            )
        except optuna.exceptions.DuplicatedStudyError:
            if n_attempts == 1:
                raise
            found = optuna.load_study(study_name=name, storage=storage, **parts)
            if StudyAttrs.SCHEMA in found.user_attrs:  # another sweep's
                raise
            return found

    return create()
