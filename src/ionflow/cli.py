"""The command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from ionflow.errors import IonflowError, PluginError, RecipeError

app = typer.Typer(
    help="Ion transport from atomistic simulation: one recipe, every quantity, honest errors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe, YAML.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
ScaleName = Annotated[str | None, typer.Option("--scale", help="One of the recipe's scales.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field, e.g. seed=2; repeatable."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder; runs/<name> by default.")]

EXIT_FAILED, EXIT_BAD, EXIT_INTERRUPTED = 1, 2, 130


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


@app.command()
def run(
    recipe: RecipePath,
    scale: ScaleName = None,
    overrides: Overrides = None,
    out: Out = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
) -> None:
    """Run a recipe, or go on where it stopped."""
    from ionflow.driver import run as run_recipe

    result = run_recipe(
        recipe,
        scale=scale,
        overrides=overrides or (),
        out=out,
        console=_console(),
        retry_failed=retry_failed,
    )
    if result.failures:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def check(recipe: RecipePath, scale: ScaleName = None, overrides: Overrides = None) -> None:
    """Validate a recipe: all faults at once, nothing started."""
    from ionflow.plan import plan as make_plan

    read = _read(recipe, scale, overrides)
    tasks = make_plan(read)
    _console().print(f"{recipe}: valid; scale {read.scale or 'none'}, {len(tasks)} tasks")


@app.command()
def plan(
    recipe: RecipePath, scale: ScaleName = None, overrides: Overrides = None, out: Out = None
) -> None:
    """Print what would run, and what is already finished."""
    from ionflow.plan import plan as make_plan
    from ionflow.preview import preview

    read = _read(recipe, scale, overrides)
    _console().print(preview(read, make_plan(read), out or Path("runs") / read.name))


@app.command()
def schema(out: Annotated[Path | None, typer.Option("--out", help="A file.")] = None) -> None:
    """Write the JSON schema of a recipe with all installed plugins, for editors."""
    from ionflow.recipe import json_schema
    from ionflow.registry import load

    text = json.dumps(json_schema(load()), indent=2)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    else:
        typer.echo(text)


@app.command()
def plugins(
    name: Annotated[str | None, typer.Argument(help="Show this plugin's fields.")] = None,
) -> None:
    """List every plugin and every problem, or one plugin's fields."""
    from ionflow.catalogue import fields_of, listing
    from ionflow.registry import load

    _console().print(fields_of(load(), name) if name else listing(load()))


@app.command()
def status(run_folder: RunPath) -> None:
    """How far a run has come, from disk alone."""
    from ionflow.status import status as read_status
    from ionflow.status import table

    _console().print(table(read_status(run_folder)))


@app.command()
def report(run_folder: RunPath) -> None:
    """Write the report of a run, from its results on disk."""
    from ionflow.report import write

    _console().print(f"report: {write(run_folder)}")


@app.command()
def export(
    run_folder: RunPath,
    to: Annotated[str, typer.Option("--to", help="extxyz, traj or lammpsdump.")] = "extxyz",
    out: Annotated[Path | None, typer.Option("--out", help="A folder.")] = None,
) -> None:
    """Write the recorded trajectories in another format, frame by frame."""
    from ionflow.export import export as export_run

    for path in export_run(run_folder, to=to, out=out):
        typer.echo(path)


@app.command()
def verify(
    run_folder: RunPath,
    deep: Annotated[bool, typer.Option("--deep", help="Read every chunk.")] = False,
) -> None:
    """Check what a run folder holds; exit code 1 with the paths that fail."""
    from ionflow.store import Store

    problems = Store.open(run_folder).verify(deep=deep)
    for problem in problems:
        typer.echo(f"{problem.path}: {problem.message}")
    if problems:
        raise typer.Exit(EXIT_FAILED)
    typer.echo(f"{run_folder}: no fault found")


def _read(recipe: str, scale: str | None, overrides: Iterable[str] | None) -> Any:
    from ionflow.recipe import read
    from ionflow.registry import load

    return read(recipe, load(), scale=scale, overrides=tuple(overrides or ()))


def main() -> None:
    """Entry point: errors that ionflow understands are printed, not thrown."""
    sys.exit(_guarded(app))


def _guarded(call: Callable[..., Any]) -> int:
    try:
        return int(call(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return EXIT_BAD
    except (RecipeError, PluginError) as error:
        typer.echo(str(error), err=True)
        return EXIT_BAD
    except IonflowError as error:
        typer.echo(f"ionflow: {error}", err=True)
        return _code(error)
    except (KeyboardInterrupt, click.Abort):
        typer.echo("ionflow: stopped; run the same command again to go on", err=True)
        return EXIT_INTERRUPTED


def _code(error: IonflowError) -> int:
    return EXIT_INTERRUPTED if type(error).__name__ == "Interrupted" else EXIT_FAILED
