"""The command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ionflow.errors import InterruptedRunError, IonflowError, PluginError, RecipeError
from ionflow.terminal import console as _console
from ionflow.terminal import outlive_terminal

EXIT_FAILED, EXIT_BAD, EXIT_INTERRUPTED = 1, 2, 130


class Guarded(TyperGroup):
    """Commands whose understood errors are printed, not thrown, each kind with its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (RecipeError, PluginError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(EXIT_BAD) from error
        except IonflowError as error:
            typer.echo(f"ionflow: {error}", err=True)
            raise typer.Exit(_code(error)) from error
        except KeyboardInterrupt as error:
            typer.echo("ionflow: stopped; run the same command again to go on", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from error


def _code(error: IonflowError) -> int:
    return EXIT_INTERRUPTED if isinstance(error, InterruptedRunError) else EXIT_FAILED


app = typer.Typer(
    cls=Guarded,
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
    load_all: Annotated[
        bool, typer.Option("--load", help="Load them all: kinds, and problems of their code.")
    ] = False,
) -> None:
    """List every plugin by name, without running its code; or one plugin's fields."""
    from ionflow.catalogue import fields_of, listing
    from ionflow.registry import load

    registry = load()
    if load_all:
        _ = registry.entries
    _console().print(fields_of(registry, name) if name else listing(registry))


@app.command()
def status(run_folder: RunPath) -> None:
    """How far a run has come, from disk alone."""
    from ionflow.status import status as read_status
    from ionflow.status import table

    _console().print(table(read_status(run_folder)))


@app.command()
def explain(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="A key, 6 digits of its start, or a path in a run.")
    ],
    run_folder: Annotated[
        Path | None, typer.Option("--run", help="A run folder; this one, or those in runs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As data.")] = False,
) -> None:
    """What made a result, where and with what, and what it was made from."""
    from ionflow.explain import explain as explained

    found = explained(key, run_folder)
    if as_json:
        typer.echo(json.dumps(found.data, indent=2))
    else:
        _console().print(found, soft_wrap=False)


@app.command()
def report(run_folder: RunPath) -> None:
    """Write the report of a run, from its results on disk."""
    from ionflow.report import write

    _console().print(f"report: {write(run_folder)}")


@app.command()
def export(
    run_folder: RunPath,
    to: Annotated[str, typer.Option("--to", help="extxyz, traj, lammpsdump or cube.")] = "extxyz",
    out: Annotated[Path | None, typer.Option("--out", help="A folder.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="This stage alone.")] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Every n-th frame.")] = 1,
) -> None:
    """Write the recorded trajectories, or maps of density (cube), in another format."""
    from ionflow.export import export as export_run

    for path in export_run(run_folder, to=to, out=out, stage=stage, every=every):
        typer.echo(path)


@app.command()
def analyse(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|STORE|RUN", help="A trajectory, or a run folder.")
    ],
    analysers: Annotated[
        list[str] | None, typer.Option("--with", metavar="ANALYSER", help="Repeatable.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ANALYSER.FIELD=VALUE", help="A field; repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select", metavar="AXIS=VALUE", help="Which trajectory of a run, as in A=Li."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A zarr folder for results.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results there.")] = False,
    timestep_fs: Annotated[
        float | None, typer.Option("--timestep-fs", help="Duration of one step.")
    ] = None,
    frame_every: Annotated[
        int | None, typer.Option("--frame-every", help="Steps between frames, if not numbered.")
    ] = None,
    every: Annotated[int | None, typer.Option("--every", help="Every n-th frame.")] = None,
    start_ps: Annotated[
        float | None, typer.Option("--start-ps", help="Leave out so much at the start.")
    ] = None,
    charges: Annotated[
        str | None, typer.Option("--charges", help="Li=1,Cl=-1 in e; or formal; or none.")
    ] = None,
    elements: Annotated[str | None, typer.Option("--elements", help="1=Li,2=Cl by type.")] = None,
    masses: Annotated[str | None, typer.Option("--masses", help="1=6.94,2=35.45 in amu.")] = None,
    species: Annotated[
        str | None, typer.Option("--species", help="Property that tells species apart: type.")
    ] = None,
    temperature_K: Annotated[
        float | None, typer.Option("--temperature-K", help="Where there are no velocities.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="lammps, xdatcar, extxyz, traj or zarr.")
    ] = None,
    units: Annotated[str | None, typer.Option("--units", help="Of LAMMPS: metal, real.")] = None,
    unwrapped: Annotated[
        bool | None, typer.Option("--unwrapped/--wrapped", help="Positions are taken as they are.")
    ] = None,
    truncated: Annotated[
        str | None, typer.Option("--truncated", help="error, or drop a last frame cut short.")
    ] = None,
) -> None:
    """Run analysers on one trajectory, of a file, a store or a run, without a recipe."""
    from ionflow.analysis import Words, command

    reading = {
        "timestep_fs": timestep_fs, "frame_every": frame_every, "every": every,
        "start_ps": start_ps, "charges": charges, "elements": elements, "masses": masses,
        "species": species, "temperature_K": temperature_K, "format": file_format,
        "units": units, "unwrapped": unwrapped, "truncated": truncated,
    }  # fmt: skip
    words = Words(source, analysers or (), sets or (), select or (), reading, out, force)
    failures = command(words, _console())
    for name, why in failures.items():
        typer.echo(f"ionflow: {name}: {why}", err=True)
    if failures:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def verify(
    run_folder: RunPath,
    deep: Annotated[bool, typer.Option("--deep", help="Read every chunk.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what is damaged; the next run makes it new.")
    ] = False,
) -> None:
    """Check what a run folder holds; exit code 1 with the paths that fail."""
    from ionflow.store import Store

    if repair:
        Store.mend(run_folder)
    store = Store.open(run_folder)
    problems = store.verify(deep=deep or repair)
    for problem in problems:
        typer.echo(f"{problem.path}: {problem.message}")
    if problems and repair:
        with store.hold(waiting=typer.echo):
            for sentence in store.repair(problems):
                typer.echo(sentence)
        typer.echo("repaired: run the recipe again to compute what is missing")
    if problems:
        raise typer.Exit(EXIT_FAILED)
    typer.echo(f"{run_folder}: no fault found")


@app.command()
def doctor() -> None:
    """Machine, backends, versions, a short CHGNet benchmark, and advice on workers and threads."""
    from ionflow.doctor import examine
    from ionflow.registry import load

    console = _console()
    for part in examine(load()):
        console.print(part)


def _read(recipe: str, scale: str | None, overrides: Iterable[str] | None) -> Any:
    from ionflow.recipe import read
    from ionflow.registry import load

    return read(recipe, load(), scale=scale, overrides=tuple(overrides or ()))


def main() -> None:
    """Entry point."""
    outlive_terminal()
    app()
