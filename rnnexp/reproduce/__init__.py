"""Archived runs trained again: one run a second time, or the best trials over other seeds."""
