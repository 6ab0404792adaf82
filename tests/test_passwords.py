"""Passwords in URLs and in configs, and which values of a config are secrets."""

import json
import os
import pickle
from collections.abc import Iterator

import pytest

from rnnexp import passwords
from rnnexp.passwords import (
    Sealed,
    conceal,
    concealed,
    for_mlflow,
    hide,
    is_secret,
    may_have_secret,
    remember,
    remembered,
    to_type,
    with_password,
    without_password,
)

PW = "s3cret"


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(passwords._remembered)
    passwords._remembered.clear()
    for name in (passwords.VARIABLE, "MLFLOW_TRACKING_URI", *passwords.MLFLOW_VARIABLES):
        monkeypatch.setenv(name, "")  # so that it is as it was after the test
        monkeypatch.delenv(name)
    yield
    passwords._remembered.clear()
    passwords._remembered.update(before)


@pytest.mark.parametrize(
    ("url", "shown", "connected"),
    [
        ("http://me:s3cret@h:5000", "http://me:***@h:5000", None),
        ("https://me:s3cret@h/base/path", "https://me:***@h/base/path", None),
        ("http://:s3cret@h", "http://:***@h", None),
        ("http://me:s3@cret@h/a@b", "http://me:***@h/a@b", "http://me:s3%40cret@h/a@b"),
        ("http://me:s3cret%40x@h", "http://me:***@h", None),
        ("http://me:s3 cret'@h", "http://me:***@h", None),
        ("postgresql+psycopg://me:s3cret@h/db", "postgresql+psycopg://me:***@h/db", None),
        ("postgresql://me:s3/cret==@h:5432/db?x=a@b", "postgresql://me:***@h:5432/db?x=a@b", None),
        ("postgresql://me:s3@cret@h/db", "postgresql://me:***@h/db",
         "postgresql://me:s3%40cret@h/db"),
        ("mysql+pymysql://me:5000@h/db", "mysql+pymysql://me:***@h/db", None),
        ("mysql://me:s3'cret@h", "mysql://me:***@h", None),
        ("postgresql://h/db?password=s3cret&a=1", "postgresql://h/db?password=***&a=1", None),
        ("https://h/x.csv?sig=s3cret&a=1", "https://h/x.csv?sig=***&a=1", None),
        ("postgresql://h/db?sslpassword=s3cret", "postgresql://h/db?sslpassword=***", None),
        ("https://h/x?X-Amz-Signature=s3cret", "https://h/x?X-Amz-Signature=***", None),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***", None),
        ("http://${user}:s3cret@h", "http://${user}:***@h", None),
        ("http://${oc.env:U}:s3cret@h", "http://${oc.env:U}:***@h", None),
    ],
)  # fmt: skip
def test_a_password_is_hidden_and_put_back(url: str, shown: str, connected: str | None) -> None:
    assert hide(url) == shown
    assert with_password(shown) == (connected or url)
    assert hide(shown) == shown
    text = f"cannot open {url}, nor '{url}'"
    assert without_password(text) == f"cannot open {shown}, nor '{shown}'"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////there/o.db",
        "sqlite:///a:b@c.db",
        "http://h:5000",
        "http://h:5000/#/models/reviews@champion",
        "http://127.0.0.1:5000/a@b",
        "mlflow-artifacts://h:5000/1/a@b",
        "models:/reviews@champion",
        "postgresql://me@h/db",
        "postgresql://localhost:5432/a@b",
        "http://me:${oc.env:PW}@h",
        "postgresql://${u}:${p}@h/db",
        "file:///there",
        "databricks",
        "a@b: c",
        "",
    ],
)
def test_without_a_password_nothing_changes(url: str) -> None:
    assert hide(url) == without_password(url) == with_password(url) == url
    assert remembered() == ()


def test_an_error_of_another_process_has_no_password() -> None:
    error = (
        "API request to http://me:s3cret@h:5000/api/2.0/mlflow/runs/get failed with exception "
        "('Connection aborted.', \"https://you:s3cret2@h\") (postgresql://me:s3cret3@h/db?a=b) "
        "(Background on this error at: https://sqlalche.me/e/20/e3q8)"
    )
    assert PW not in without_password(error)
    assert "https://sqlalche.me/e/20/e3q8)" in without_password(error)


@pytest.mark.parametrize(
    ("shown", "connected"),
    [
        ("postgresql://me:***@h/db", "postgresql://me@h/db"),  # PGPASSWORD and ~/.pgpass count
        ("http://me:***@h", "http://me@h"),
    ],
)
def test_a_password_that_is_not_known_is_left_out(shown: str, connected: str) -> None:
    assert with_password(shown) == connected


def test_a_password_is_known_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3cret@h/runs")
    monkeypatch.setenv(passwords.VARIABLE, json.dumps(["postgresql://me:other@h/studies"]))
    assert with_password("postgresql://me:***@h/runs") == "postgresql://me:s3cret@h/runs"
    assert with_password("postgresql://me:***@h/studies") == "postgresql://me:other@h/studies"
    assert with_password("postgresql://you:***@h/runs") == "postgresql://you@h/runs"
    assert with_password("postgresql://h/runs") == "postgresql://h/runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@h:5000")
    assert with_password("http://h:5000") == "http://me:s3cret@h:5000"
    assert with_password("http://h") == "http://h"


def test_another_process_remembers_what_it_is_sent() -> None:
    hide("http://me:s3cret@h")
    sent = remembered()
    passwords._remembered.clear()
    remember(sent)
    assert with_password("http://me:***@h") == "http://me:s3cret@h"


def test_mlflow_gets_a_password_in_its_variables_and_an_address_without() -> None:
    shown = hide("https://me:s3%40cret@h:5000/base")
    assert for_mlflow(shown) == "https://h:5000/base"
    assert [os.environ[name] for name in passwords.MLFLOW_VARIABLES] == ["me", "s3@cret"]


def test_mlflows_own_password_stays() -> None:
    os.environ[passwords.MLFLOW_VARIABLES[1]] = "own"
    assert for_mlflow("http://me:***@h") == "http://h"
    assert for_mlflow("http://h/a@b") == "http://h/a@b"
    assert [os.environ[name] for name in passwords.MLFLOW_VARIABLES] == ["me", "own"]
    assert for_mlflow("sqlite:////there/m.db") == "sqlite:////there/m.db"
    assert for_mlflow(hide("postgresql://me:s3cret@h/db")) == "postgresql://me:s3cret@h/db"


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("http://me:***@h:5000/base", "http://h:5000/base"),
        ("http://h:5000/a@b", "http://h:5000/a@b"),
        ("postgresql://me:***@h/db", "postgresql://me@h/db"),
        ("sqlite:////there/o.db", "sqlite:////there/o.db"),
    ],
)
def test_a_command_to_type_has_no_stars(url: str, typed: str) -> None:
    assert to_type(url) == typed


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("password", True),
        ("db.password", True),
        ("DB_PASSWD", True),
        ("hub.token", True),
        ("token", True),
        ("hf_token", True),
        ("my_access_token", True),
        ("client_secret", True),
        ("wandb.api_key", True),
        ("apikey", True),
        ("MLFLOW_TRACKING_PASSWORD", True),
        ("credentials", True),
        ("passwords", True),
        ("api_keys", True),
        ("secrets.hub", True),
        ("credentials.json", True),
        ("headers.Authorization", True),
        ("db.pass", True),
        ("first_pass", False),
        ("keys", False),
        ("pad_token", False),
        ("data.tokens", False),
        ("num_tokens", False),
        ("compile.metrics", False),
        ("secretary", False),
        ("key", False),
        ("monitor_key", False),
        ("data.split", False),
    ],
)
def test_which_keys_have_secrets(key: str, secret: bool) -> None:
    assert is_secret(key) is secret


def test_secrets_of_a_config_are_concealed() -> None:
    config = {
        "db": {"password": PW, "port": 5432, "user": "me"},
        "url": f"https://me:{PW}@h/x.csv",
        "token": "${oc.env:TOKEN}",
        "secret": [PW, None, ""],
        "hub": {"api_key": 1234, "use": True},
        "secrets": {"hub": PW, "more": [{"x": PW}]},
        "headers": {"Authorization": f"Bearer {PW}"},
        "split": "token",
        "overrides": [f"+db.password={PW}", "model.units=64", f"++x=http://a:{PW}@h", "a=b=c",
                      f"+hub={{url:x,token:{PW},n:1}}", f"a=1,+db.password={PW},b=2"],
    }  # fmt: skip
    assert concealed(config) == {
        "db": {"password": "***", "port": 5432, "user": "me"},
        "url": "https://me:***@h/x.csv",
        "token": "${oc.env:TOKEN}",
        "secret": ["***", None, ""],
        "hub": {"api_key": "***", "use": True},
        "secrets": {"hub": "***", "more": [{"x": "***"}]},
        "headers": {"Authorization": "***"},
        "split": "token",
        "overrides": ["+db.password=***", "model.units=64", "++x=http://a:***@h", "a=b=c",
                      "+hub={url:x,token:***,n:1}", "a=1,+db.password=***,b=2"],
    }  # fmt: skip


def test_secrets_of_a_text_are_concealed() -> None:
    assert conceal(f"db:\n  password: {PW}\n- db.password={PW}\n") == (
        "db:\n  password: ***\n- db.password=***\n"
    )


def test_secrets_of_a_diff_are_concealed() -> None:
    diff = f"@@ -1 +1 @@\n-  password: {PW}0\n+  password: {PW}\n+  split: token\n+token = '{PW}'\n"
    assert conceal(diff) == (
        "@@ -1 +1 @@\n-  password: ***\n+  password: ***\n+  split: token\n+token = ***\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "secrets:\n  hub: x",
        "db.pass: x",
        "Authorization: x",
        "- +credentials.json=x",
        "api_keys: x",
        "url: mssql+pyodbc:///?odbc_connect=x",
        "url: https://h/x?X-Amz-Signature=x",
    ],
)
def test_a_quick_look_finds_a_secret(text: str) -> None:
    assert may_have_secret(text)


def test_what_is_sealed_is_sent_and_not_shown() -> None:
    sealed = pickle.loads(pickle.dumps(Sealed((PW, ["+db.password=s3cret"]))))  # noqa: S301
    assert sealed.content[0] == PW
    assert PW not in f"{sealed} {sealed!r}"
