"""The command `rnnexp` itself: its help, and what the help imports."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from rnnexp.cli import main

NAMES = (
    "budget", "check", "compare", "confirm", "continue", "delete", "deliver", "diff", "evaluate",
    "export", "pause", "predict", "publish", "rename", "replay", "report", "resume", "stop",
    "studies",
)  # fmt: skip


def lines_of_help() -> dict[str, str]:
    commands = CliRunner().invoke(main, ["--help"]).output.partition("Commands:\n")[2]
    return dict(line.split(maxsplit=1) for line in commands.splitlines())


def test_the_help_lists_all_commands_on_one_line_each() -> None:
    assert tuple(lines_of_help()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_line_of_a_command_is_the_first_of_its_own_help(name: str) -> None:
    _, command, rest = main.resolve_command(click.Context(main), [name, "--help"])
    assert command is not None
    assert (command.name, rest) == (name, ["--help"])
    assert command.get_short_help_str(100) == lines_of_help()[name]
    assert command.callback is not None


def test_the_help_of_each_command_imports_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from rnnexp.cli import main\n"
        f"for arguments in [], *{[[name] for name in NAMES]}:\n"
        "    main([*arguments, '--help'], standalone_mode=False)\n"
        "print({'mlflow', 'optuna', 'pandas', 'keras', 'tensorflow', 'jax'} & sys.modules.keys())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "set()"


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["comapre"])
    assert result.exit_code == 2
    assert "No such command 'comapre'" in result.output
