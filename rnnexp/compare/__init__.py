"""Comparison of runs: rows, ranks, filters, differences and curves, without any output."""
