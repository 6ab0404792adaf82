"""The check of the backend: what it computes on."""

import pytest

from rnnexp import gpus
from rnnexp.training.checks.backend import log_device


def test_gpus_that_the_backend_can_not_use_are_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "")
    log_device()
    assert not caplog.records
    monkeypatch.setenv(gpus.VISIBLE, "7")  # Keras has been imported without a GPU
    log_device()
    assert "backend=tensorflow can't use the GPUs of this machine (7)" in caplog.text
    assert "pip install 'tensorflow[and-cuda]'" in caplog.text
