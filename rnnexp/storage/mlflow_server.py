"""A look at an MLflow server before it is used: is it one, and does it let this user in."""

import requests
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from rnnexp.errors import one_line
from rnnexp.passwords import for_mlflow

TIMEOUT = 8  # seconds
_QUESTION = "/api/2.0/mlflow/experiments/search?max_results=1"
_LONGEST = 200  # characters of an answer that are shown


def server_problem(uri: str) -> str | None:
    """Return why an MLflow server can't be used; None if it answers as one.

    Args:
        uri: The address, which begins with ``http``.
    """
    try:
        answer = http_request(
            get_default_host_creds(for_mlflow(uri)),
            _QUESTION,
            "GET",
            max_retries=0,
            timeout=TIMEOUT,
            raise_on_status=False,
        )
    except MlflowException as error:
        return _without_answer(uri, error.__cause__ or error.__context__ or error)
    except requests.RequestException as error:
        return _without_answer(uri, error)
    if answer.status_code == requests.codes.ok:
        return None if _is_mlflow(answer) else _is_none(uri, f"the text {_text(answer)}")
    return _refusal(uri, answer)


def _is_mlflow(answer: requests.Response) -> bool:
    try:
        found = answer.json()
    except ValueError:
        return False
    return isinstance(found, dict) and set(found) <= {"experiments", "next_page_token"}


def _refusal(uri: str, answer: requests.Response) -> str:
    status, said = answer.status_code, _text(answer)
    match status:
        case 401:
            return (
                f"{uri} answers 401 (unauthorized): give MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
            )
        case 403:
            return (
                f"{uri} answers 403 (forbidden), {said}: ask for access, or give "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of a user who has it"
            )
        case 404 | 405:
            return _is_none(uri, str(status))
        case _:
            return f"{uri} answers {status}, {said}: look into the log of the server, or try later"


def _is_none(uri: str, answer: str) -> str:
    return (
        f"{uri} is no MLflow server: it answers {answer} where MLflow lists experiments; give the "
        "address that `mlflow server` prints"
    )


def _text(answer: requests.Response) -> str:
    text = " ".join(answer.text.split())
    return repr(text[:_LONGEST]) if text else "with no text"


def _without_answer(uri: str, error: BaseException) -> str:
    inner = _innermost(error)
    if isinstance(error, requests.Timeout) or isinstance(inner, TimeoutError):
        return f"{uri} does not answer within {TIMEOUT} seconds"
    reason = inner.strerror if isinstance(inner, OSError) else None
    return f"{uri} can't be reached: {reason or one_line(inner)}"


def _innermost(error: BaseException) -> BaseException:
    """Return the system's error, which has the reason: requests and urllib3 wrap it in theirs."""
    seen = {id(error)}
    while (inner := error.__cause__ or error.__context__) and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
    return error
