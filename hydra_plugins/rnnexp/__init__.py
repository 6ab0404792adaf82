"""Plugins that Hydra discovers: thin shells, no heavy import."""
