"""Values of which a config key takes only a few."""

from collections.abc import Sequence


def choice_problems(key: str, value: object, choices: Sequence[object]) -> list[str]:
    """Return what is wrong with a value that must be one of some choices.

    Args:
        key: The config key, for the message.
        value: The value.
        choices: The values that the key takes.

    Returns:
        One message; none if the value is one of the choices.
    """
    if value in choices:
        return []
    shown = [str(choice).lower() for choice in choices]
    wanted = " or ".join(shown) if len(shown) == 2 else f"one of {', '.join(shown)}"
    return [f"{key}={value}: must be {wanted}"]
