"""What only PredictIt adds to the terminal: `predictit board`."""

import sys
from typing import Annotated

import typer

from predictit_assets.errors import ExpectedError
from predictit_assets.terminal import out
from predictit_assets.text import writes_unicode


def board(
    market: Annotated[str, typer.Option(help="only markets whose name contains this")] = "",
    movers: Annotated[
        bool, typer.Option("--movers", help="contracts by their move over 24 hours")
    ] = False,
    markets: Annotated[int, typer.Option(min=1, help="how many markets")] = 12,
    contracts: Annotated[int, typer.Option(min=1, help="how many contracts of each")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="all of it, as JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="all of it, as CSV")] = False,
) -> None:
    """Show the newest odds: what is published and what is staged beyond it.

    Markets with the biggest moves since the close come first. `--json` and `--csv` give every
    contract and column, for pipes.
    """
    if as_json and as_csv:
        raise ExpectedError("--json and --csv exclude each other")
    from predictit_assets import factory
    from predictit_assets.settings import load_settings
    from predictit_assets.sources.predictit.products import board as odds_board

    odds = odds_board.newest_odds(factory.warehouse(load_settings()), market, movers)
    if not odds:
        raise ExpectedError(f"no open market's name contains {market!r}")
    bars = writes_unicode(sys.stdout)
    if as_json:
        odds_board.write_json(odds, sys.stdout)
    elif as_csv:
        odds_board.write_csv(odds, sys.stdout)
    elif movers:
        out.print(odds_board.render_movers(odds, markets, out.width, bars=bars))
    else:
        out.print(odds_board.render(odds, markets, contracts, out.width, bars=bars))


COMMANDS = (board,)
"""What the terminal takes from here."""
