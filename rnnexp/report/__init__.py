"""The report of a study: plots, tables and a few lines, on its run in MLflow and in its folder.

    study in Optuna -> snapshot.py -> plots.py, pictures.py -> pages.py -> files.py: in a folder
                                                                           |
                      the study's run in MLflow <- reporter.py, again and again as the sweep runs

It reads the study once, and no run of a trial: what it tells of them stands in Optuna as well.
"""
