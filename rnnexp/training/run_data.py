"""Whether data are still those that a run was trained on."""

import json
from collections.abc import Mapping

from omegaconf import DictConfig

from rnnexp.data import Dataset
from rnnexp.identity import Digests, changed_files, digests_of
from rnnexp.storage.schema import Tags


def digests_in(tags: Mapping[str, str]) -> Digests:
    """Return the fingerprints of the files that a run has read, by its tags; may be empty."""
    found: Digests = json.loads(tags.get(Tags.DIGESTS, "{}"))
    return found


def data_problem(config: DictConfig, dataset: Dataset, tags: Mapping[str, str]) -> str | None:
    """Return what has changed of the data that a run was trained on; None if nothing has.

    Args:
        config: The run's config.
        dataset: The data that the config leads to now.
        tags: The run's tags. A run that ended before its data were loaded has no fingerprint.

    Returns:
        The end of a sentence about the data of the run.
    """
    then, now = tags.get(Tags.DATA), dataset.folder.name
    if then in (None, now):
        return None
    files = changed_files(digests_in(tags), digests_of(config))
    fingerprints = f"the fingerprint was {then}, now it is {now}"
    return f"have changed since it was trained: {'; '.join([fingerprints, *files])}"
