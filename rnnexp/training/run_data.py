"""Whether data are still those that a run was trained on."""

import json
from collections.abc import Mapping

from omegaconf import DictConfig

from rnnexp.data import Dataset
from rnnexp.identity import Files, changed_files, files_of
from rnnexp.storage.schema import Tags


def sources_in(tags: Mapping[str, str]) -> Files:
    """Return the fingerprints of the files that a run has read, by its tags; may be empty."""
    found: Files = json.loads(tags.get(Tags.SOURCES, "{}"))
    return found


def data_problem(config: DictConfig, dataset: Dataset, tags: Mapping[str, str]) -> str | None:
    """Return why data are not those that a run was trained on; None if they are.

    Args:
        config: The run's config.
        dataset: The data that the config leads to now.
        tags: The run's tags. A run that ended before its data were loaded has no fingerprint.
    """
    then, now = tags.get(Tags.DATA), dataset.folder.name
    if then in (None, now):
        return None
    files = changed_files(sources_in(tags), files_of(config))
    fingerprints = f"the fingerprint was {then}, now it is {now}"
    return f"the data have changed since it was trained: {'; '.join([fingerprints, *files])}"
