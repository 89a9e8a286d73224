"""The `dexgrasp` command: one thin module per subcommand."""

from __future__ import annotations

import sys

import typer

from dexgrasp.cli.benchmark import benchmark
from dexgrasp.cli.calibrate import calibrate
from dexgrasp.cli.convert import convert
from dexgrasp.cli.doctor import doctor
from dexgrasp.cli.emulate import emulate
from dexgrasp.cli.evaluate import evaluate
from dexgrasp.cli.generate import generate
from dexgrasp.cli.jog import jog
from dexgrasp.cli.launch import launch
from dexgrasp.cli.prepare import prepare
from dexgrasp.cli.synthesize import synthesize
from dexgrasp.cli.sysid import sysid
from dexgrasp.cli.trials import trials
from dexgrasp.cli.usd import usd
from dexgrasp.cli.view import view
from dexgrasp.errors import DexgraspError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take [m] in a help text for markup
)
app.command()(benchmark)
app.command()(calibrate)
app.command()(convert)
app.command()(doctor)
app.command()(emulate)
app.command()(evaluate)
app.command()(generate)
app.command()(jog)
app.command()(launch)
app.command()(prepare)
app.command()(synthesize)
app.command()(sysid)
app.command()(trials)
app.command()(usd)
app.command()(view)


def main() -> None:
    """Run the command; a fault of the user's is one line on stderr and exit code 2."""
    try:
        app()
    except DexgraspError as error:
        print(f"dexgrasp: {error}", file=sys.stderr)
        sys.exit(2)
