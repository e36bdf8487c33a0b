"""From YAML to a Recipe: every fault at once, each with its line, and nothing started."""

from ionflow.recipe.cluster import AddressCluster, Cluster, LocalCluster
from ionflow.recipe.emit import to_yaml
from ionflow.recipe.model import Axis, Case, Recipe
from ionflow.recipe.reading import read
from ionflow.recipe.schema import json_schema

__all__ = [
    "AddressCluster",
    "Axis",
    "Case",
    "Cluster",
    "LocalCluster",
    "Recipe",
    "json_schema",
    "read",
    "to_yaml",
]
