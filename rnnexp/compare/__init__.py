"""Runs beside each other: rows, ranks, filters, differences, curves; pure but for reading them."""
