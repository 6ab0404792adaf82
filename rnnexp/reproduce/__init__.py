"""Archived runs trained again: the same once more, or the leaders over other seeds."""
