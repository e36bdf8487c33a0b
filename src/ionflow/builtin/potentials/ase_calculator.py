"""Any ASE calculator, by its dotted path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator

from ionflow.errors import PluginError
from ionflow.kinds import Potential

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Scalar = bool | int | float | str | None


def _pairs(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


#: Keyword arguments, written as a mapping in a recipe and kept as sorted pairs.
Arguments = Annotated[
    tuple[tuple[str, Scalar], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, Scalar]),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": ["boolean", "integer", "number", "string", "null"]},
        }
    ),
]


class AseCalculator(Potential):
    """Any ASE calculator that Python can import, such as ase.calculators.emt.EMT.

    Files that the arguments name are not part of the identity of results: give a changed file
    another name, or write a plugin whose `content` gives its SHA-256.
    """

    use = "ase_calculator"

    class_path: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=300)
    """Dotted path of the calculator's class, or of a function that returns one."""

    arguments: Arguments = ()
    """Keyword arguments: numbers, texts, true, false or null."""

    only_elements: tuple[str, ...] = ()
    """Elements that the calculator knows; a recipe with others is refused. Empty: any."""

    @field_validator("only_elements")
    @classmethod
    def _are_elements(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        from ase.data import atomic_numbers

        strangers = [element for element in elements if not atomic_numbers.get(element)]
        if strangers:
            raise ValueError(f"{', '.join(strangers)}: no such element")
        return elements

    def elements(self) -> frozenset[str] | None:
        """The elements given, or None."""
        return frozenset(self.only_elements) or None

    def calculator(self) -> Calculator:
        """A fresh calculator of the class.

        Raises
        ------
        PluginError
            If the path does not lead to a calculator, or the calculator refuses the arguments.
        """
        from ase.calculators.calculator import BaseCalculator

        make = self._import()
        try:
            made = make(**dict(self.arguments))
        except (TypeError, ValueError, LookupError, OSError, RuntimeError, ImportError) as error:
            raise PluginError(
                f"{self.class_path} refuses the arguments {dict(self.arguments)} "
                f"({type(error).__name__}: {error})",
                where="ase_calculator.arguments",
            ) from error
        if not isinstance(made, BaseCalculator):
            raise PluginError(
                f"{self.class_path} makes a {type(made).__name__}, not an ASE calculator",
                where="ase_calculator.class_path",
            )
        return cast("Calculator", made)

    def _import(self) -> Callable[..., Any]:
        module, _, name = self.class_path.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"cannot import {self.class_path} ({error})",
                where="ase_calculator.class_path",
                hint="install its package in the environment of every worker, or correct the path",
            ) from error
        if not callable(found):
            raise PluginError(
                f"{self.class_path} is a {type(found).__name__}, not a class",
                where="ase_calculator.class_path",
            )
        return cast("Callable[..., Any]", found)
