"""Report of a study: one HTML file with plots and tables, and MLflow's note on the study's run.

    study in Optuna -> snapshot.py: with ablation.py, importances.py
                          -> why.py, next_steps.py, plots.py -> pages.py
                                -> files.py: into a folder, and into the study's run in MLflow
                                      reporter.py: repeatedly while the sweep runs

A report reads the study once and no run of a trial: all that it shows of trials is in Optuna.
"""
