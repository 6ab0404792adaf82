"""Report of a study: one HTML file with plots and tables, and MLflow's note on the study's run.

    study in Optuna -> snapshot.py -> plots.py -> pages.py -> files.py: into a folder
                                                                |
                the study's run in MLflow <- reporter.py, repeatedly while the sweep runs

A report reads the study once and no run of a trial: all that it shows of trials is in Optuna.
"""
