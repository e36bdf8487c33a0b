"""Modules under `path` are imported by name, as a plugin's own is, never collected."""

collect_ignore = ["path"]
