"""A sweep from its settings to its outcome: preflight, loop, ledger, finalize, summary."""
