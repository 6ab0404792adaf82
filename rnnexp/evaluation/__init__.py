"""Evaluation of a model on rows whose labels are known: what it predicts, and how it errs.

    labels, outputs of a network -> predictions.py -> measures.py: Evaluation
      -> tables.py, page.py -> files.py: artifacts of the model's run, parts of the study's report

Nothing here imports Keras: the network has been asked before (rnnexp/training/evaluation.py).
"""
