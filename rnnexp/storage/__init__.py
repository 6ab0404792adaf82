"""What is stored, and read back: MLflow's runs, Optuna's studies, and what waits for them."""
