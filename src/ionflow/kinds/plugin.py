"""What every plugin is: a frozen set of parameters with a name."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from ionflow.errors import IonflowError, PluginError, foreign

_T = TypeVar("_T")


def _pairs(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


#: A mapping of names to numbers, written as a mapping in a recipe and kept as sorted pairs.
Table = Annotated[
    tuple[tuple[str, float], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, float]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number"}}),
]


class Parameters(BaseModel):
    """A frozen set of named parameters; a field's docstring is its documentation."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


class Plugin(Parameters, ABC):
    """Frozen parameters with one verb."""

    use: ClassVar[str]
    """The name that a recipe writes; unique among all installed plugins of every kind."""

    version: ClassVar[int] = 1
    """Raise it when the same parameters give other results."""

    outside_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how a result is reached but not the result (a path, a device)."""

    def content(self) -> Mapping[str, str]:
        """SHA-256 of what lies outside the parameters but decides the result, such as weights."""
        return {}

    def provenance(self) -> dict[str, Any]:
        """How results are reached on this machine, such as a backend and why it was chosen."""
        return {}

    def identity(self) -> dict[str, Any]:
        """What decides this plugin's results, as JSON: name, version, parameters, content."""
        parameters = self.model_dump(mode="json", exclude=set(self.outside_identity))
        return {
            "use": self.use,
            "version": self.version,
            "parameters": parameters,
            "content": dict(answer(self, "content", self.content)),
        }


def answer(plugin: Plugin, method: str, ask: Callable[[], _T]) -> _T:
    """What a plugin says where it is asked outside any task; an error of its own is named."""
    try:
        return ask()
    except IonflowError:
        raise
    except Exception as error:
        message = foreign(f"{method}()", error)
        raise PluginError(message, where=repr(plugin.use)) from error
