"""The clock of a study's database, by which sweeps on several machines tell one another's age.

The clocks of two machines may differ by minutes; the database's is the same for all.
"""

import time

import optuna


def now(study: optuna.Study) -> float:
    """Return the time by the clock of a study's database; by this machine's if the study has none.

    Args:
        study: The study; a file of SQLite has no clock of its own, and holds on one machine alone.

    Returns:
        Seconds since the epoch.

    Raises:
        Exception: Whatever the database's driver raises.
    """
    # Optuna tells nobody the connections of a storage.
    engine = getattr(getattr(study._storage, "_backend", None), "engine", None)
    if engine is None or engine.dialect.name == "sqlite":
        return time.time()
    from sqlalchemy import func, select

    with engine.connect() as connection:
        return float(connection.execute(select(func.current_timestamp())).scalar_one().timestamp())
