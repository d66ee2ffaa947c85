"""Trades of members beside the contracts that bear their names: the rows, worked out by hand."""

from typing import Any

import pytest
from analysing import ENGINES, Rows, described, numbers, run, table

NAME = "odds_beside_trades"

MEMBERS = table(
    """
    member_id member_name
    nancy     Nancy__Smith-O’Neil
    robert    Robert_P._Casey,_Jr.
    john      John_Doe
    other     JOHN_DOE
    """
)
CONTRACTS = table(
    """
    contract_id contract_name
    1           nancy_Smith-O'Neil
    2           Robert_P_Casey_Jr
    3           John_Doe
    4           Smith-O'Neil
    5           Nancy_Smith-O'Neil,_twice
    6           Robert_Casey_Jr.
    """,
    market_id=1,
)
TRADES = table(
    """
    transaction_id member_id transaction_date report_date counts dates_plausible
    told           nancy     2026-01-05       2026-02-10  true   true
    withdrawn      nancy     2026-01-05       2026-02-10  false  true
    mistyped       nancy     2026-01-05       2026-02-10  true   false
    early          nancy     2025-01-05       2025-02-10  true   true
    afterwards     robert    2026-01-01       2026-01-11  true   true
    twins          john      2026-01-05       2026-02-10  true   true
    """,
    side="sale",
    ticker="AAPL",
    amount_text="$1,001 - $15,000",
)
# 30 days after the 10th of February is the 12th of March.
ODDS = table(
    """
    partition_date contract_id trade_close
    2026-01-05     1           0.40
    2026-02-10     1           0.55
    2026-03-11     1           0.99
    2026-03-12     1           0.50
    2026-01-01     2           -
    2026-02-10     2           0.10
    2026-01-05     3           0.30
    2026-01-05     4           0.30
    2026-01-05     5           0.30
    2026-02-10     6           0.30
    """
)
TABLES: dict[str, Rows] = {
    "core.dim_members": MEMBERS,
    "core.fact_trades": TRADES,
    "core.dim_contracts": CONTRACTS,
    "core.dim_markets": [{"market_id": 1, "market_name": "Who wins?"}],
    "marts.odds_1d": ODDS,
}
WANTED = (
    "transaction_id",
    "member_id",
    "contract_id",
    "odds_when_traded",
    "odds_when_told",
    "odds_30_days_later",
    "change_until_told",
    "change_afterwards",
)


@pytest.mark.parametrize("engine", ENGINES)
def test_odds_are_beside_the_trades_of_whom_a_contract_names(engine: str) -> None:
    found = run(engine, NAME, TABLES)
    assert numbers(found, *WANTED) == [
        ("told", "nancy", 1, 0.4, 0.55, 0.5, 0.15, -0.05),
        ("afterwards", "robert", 2, None, None, 0.1, None, None),
    ]
    assert numbers(found, "market_name", "side", "ticker", "amount_text")[0] == (
        "Who wins?",
        "sale",
        "AAPL",
        "$1,001 - $15,000",
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_without_odds_or_trades_there_are_no_rows(engine: str) -> None:
    assert run(engine, NAME, {table: [] for table in TABLES}) == []
    for name in TABLES:
        assert run(engine, NAME, TABLES | {name: []}) == [], name


def test_it_says_what_a_row_is() -> None:
    said: Any = described(NAME)
    assert "One row per trade and contract" in " ".join(said["description"].split())
    assert list(said["columns"]) == list(run("duckdb", NAME, TABLES)[0])
