"""Copies of studies in Optuna's storage, by which a study is renamed, or written anew.

Optuna has no other way: no study can be renamed, and no trial that has ended can be changed. A copy
has the numbers, the times and the attributes of the trials. Until it is whole, it is marked with
`StudyAttrs.COPY_OF`, so that the next process can begin it again.

    rename:         NAME -> NEW, delete NAME
    written anew:   NAME -> NAME.draft, delete NAME, NAME.draft -> NAME, delete NAME.draft
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rnnexp.storage.locks import locked
from rnnexp.storage.optuna_store import open_storage
from rnnexp.storage.schema import StudyAttrs, StudyNames
from rnnexp.storage.study_lock import DatabaseLock
from rnnexp.storage.uris import is_known_server, sqlite_file

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    Change = Callable[[FrozenTrial], FrozenTrial]

_PARENTS = ":parent:"  # in the name of what Optuna's genetic algorithms keep in a study


def load_study(name: str, url: str) -> "optuna.Study":
    """Load a study by its name, after a rewriting of it that was interrupted is finished.

    Args:
        name: The study's name, which has to be among `optuna_store.study_names`.
        url: The URL of Optuna's storage, absolute.
    """
    import optuna

    storage = open_storage(url)
    if f"{name}{StudyNames.DRAFT}" in _names(storage):
        with _alone(name, url):
            _mend(name, storage)
    return optuna.load_study(study_name=name, storage=storage)


def rewrite_study(
    name: str, url: str, change: "Change", attrs: Mapping[str, Any]
) -> "optuna.Study":
    """Write a study anew, with trials that are changed.

    Args:
        name: The study's name; no sweep of the study may be alive.
        url: The URL of Optuna's storage, absolute.
        change: Returns how a trial is stored from now on.
        attrs: User attributes that the study gets.

    Returns:
        The study as it is now.
    """
    import optuna

    storage = open_storage(url)
    with _alone(name, url):
        _mend(name, storage)
        copy_study(storage, name, f"{name}{StudyNames.DRAFT}", change, attrs)
        whole(storage, f"{name}{StudyNames.DRAFT}")
        optuna.delete_study(study_name=name, storage=storage)
        _mend(name, storage)
    return optuna.load_study(study_name=name, storage=storage)


def copy_study(
    storage: "optuna.storages.BaseStorage",
    name: str,
    new: str,
    change: "Change | None" = None,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Copy a study, without the mark that the copy is whole: see `whole`.

    Args:
        storage: The storage of both.
        name: The study's name.
        new: The copy's name; a copy that was begun before is begun again.
        change: Returns how the copy stores a trial; None for as it is.
        attrs: User attributes that the copy has in place of the study's, or in addition.
    """
    import optuna

    if new in _names(storage):
        optuna.delete_study(study_name=new, storage=storage)
    study = optuna.load_study(study_name=name, storage=storage)
    copy = optuna.create_study(study_name=new, storage=storage, directions=study.directions)
    mark = {"name": name, "run": study.user_attrs.get(StudyAttrs.RUN_ID)}
    copy.set_user_attr(StudyAttrs.COPY_OF, mark)
    own = {StudyAttrs.COPY_OF: mark}
    for key, value in (study.user_attrs | dict(attrs or {}) | own).items():
        copy.set_user_attr(key, value)
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        copy.add_trial(change(trial) if change else trial)
    _copy_system_attrs(storage, name, new, trials)


def _copy_system_attrs(
    storage: "optuna.storages.BaseStorage", name: str, new: str, trials: "Sequence[FrozenTrial]"
) -> None:
    """Copy what samplers keep in a study; the trials that a genetic one names have other ids."""
    of, to = (storage.get_study_id_from_name(each) for each in (name, new))
    for key, value in storage.get_study_system_attrs(of).items():
        kept = value
        if _PARENTS in key:
            numbers = [trial.number for trial in trials if trial._trial_id in value]
            kept = [storage.get_trial_id_from_study_id_trial_number(to, n) for n in numbers]
        storage.set_study_system_attr(to, key, kept)


def whole(storage: "optuna.storages.BaseStorage", name: str) -> None:
    """Mark a copy as whole."""
    import optuna

    copy = optuna.load_study(study_name=name, storage=storage)
    copy.set_user_attr(StudyAttrs.COPY_OF, None)


def _mend(name: str, storage: "optuna.storages.BaseStorage") -> None:
    """Finish the rewriting of a study, or take it back if the draft is not whole."""
    import optuna

    draft, names = f"{name}{StudyNames.DRAFT}", _names(storage)
    if draft not in names:
        return
    if _is_whole(draft, storage) and not (name in names and _is_whole(name, storage)):
        copy_study(storage, draft, name)
        whole(storage, name)
    optuna.delete_study(study_name=draft, storage=storage)


def _is_whole(name: str, storage: "optuna.storages.BaseStorage") -> bool:
    import optuna

    attrs = optuna.load_study(study_name=name, storage=storage).user_attrs
    return bool(attrs) and not attrs.get(StudyAttrs.COPY_OF)  # without any, it was just made


def _names(storage: "optuna.storages.BaseStorage") -> set[str]:
    return {study.study_name for study in storage.get_all_studies()}


@contextmanager
def _alone(name: str, url: str) -> Iterator[None]:
    """Hold a lock against other processes that would write the study anew."""
    if file := sqlite_file(url):
        with locked(file.parent):
            yield
    elif is_known_server(url):
        lock = DatabaseLock(url, name)
        try:
            with lock.held():
                yield
        finally:
            lock.close()
    else:
        yield
