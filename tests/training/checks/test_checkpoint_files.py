from collections.abc import Callable

import pytest
from omegaconf import DictConfig, open_dict

from rnnexp.training.checks import check

FILE = "callbacks.model_checkpoint.filepath"
FOLDER = "${hydra:runtime.output_dir}"


@pytest.mark.parametrize(
    ("overrides", "of_a_sweep", "problem"),
    [
        ([], True, None),
        ([f"{FILE}='{FOLDER}/best.h5'"], True, "best.h5: must end in .keras; a file in another"),
        ([f"{FILE}='{FOLDER}/best.h5'"], False, "best.h5: must end in .keras"),
        ([f"{FILE}='{FOLDER}/best.hdf5'"], True, "The filepath provided must end in `.keras`"),
        ([f"{FILE}='{FOLDER}/best'"], True, "The filepath provided must end in `.keras`"),
        ([f"{FILE}='{FOLDER}/best.KERAS'"], True, "The filepath provided must end in `.keras`"),
        ([f"{FILE}='{FOLDER}/new/er/{{epoch}}.keras'"], True, None),
        ([f"{FILE}=/proc/none/best.keras"], False, "/proc/none/best.keras: "),
        ([f"{FILE}=best.keras"], True, f"{FILE}=best.keras: every trial would write it; begin it"),
        ([f"{FILE}=best.keras"], False, None),
        ([f"{FILE}='{{epoch}}.keras'"], True, "every trial would write it"),
        ([f"{FILE}='${{seed}}.keras'"], True, "every trial would write it"),
        ([f"{FILE}='/tmp/${{hydra:job.num}}.keras'"], True, None),
        (["+folder='" + FOLDER + "'", f"{FILE}='${{folder}}/best.keras'"], True, None),
        (["+folder=here", f"{FILE}='${{folder}}/best.keras'"], True, "every trial would write it"),
        (["callbacks=[csv_logger]", "callbacks.csv_logger.filename=a.csv"], True,
         "callbacks.csv_logger.filename=a.csv: every trial would write it"),
        (["callbacks=[csv_logger]", "callbacks.csv_logger.filename=a.csv"], False, None),
        (["callbacks=[tensorboard]", "callbacks.tensorboard.log_dir=logs"], True,
         "callbacks.tensorboard.log_dir=logs: every trial would write it"),
    ],
)  # fmt: skip
def test_files_of_callbacks(
    composed: Callable[..., DictConfig], overrides: list[str], of_a_sweep: bool, problem: str | None
) -> None:
    config = composed(*overrides)
    if of_a_sweep:
        with open_dict(config):
            config.hydra = {"job": {"chdir": None}}
    found = check([config])
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0]
