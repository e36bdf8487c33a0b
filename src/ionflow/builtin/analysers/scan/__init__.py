"""Analyses of results over the scan: activation, chemistry, glasses, claims."""
