"""What dbt publishes: the schema of each model, by layer and in the order of the layers."""

from predictit_assets.contract.schema import Schema
from predictit_assets.schemas import core, live
from predictit_assets.schemas.marts import books, feed, markets, odds, outcomes

SEEDS = ("fees", "outcome_overrides")
"""Those of the marts that are files of the dbt project: they are made of nothing else."""
PUBLISHED: dict[str, dict[str, Schema]] = {
    "core": {
        "market_attribute_runs": core.MarketAttributeRuns,
        "contract_attribute_runs": core.ContractAttributeRuns,
        "dim_markets": core.DimMarkets,
        "dim_contracts": core.DimContracts,
        "dim_markets_history": core.DimMarketsHistory,
        "dim_contracts_history": core.DimContractsHistory,
        "fact_prices": core.FactPrices,
    },
    "marts": {
        "odds_1h": odds.Odds1h,
        "odds_1d": odds.Odds1d,
        "close_reconciliation": odds.CloseReconciliation,
        "movers_1d": odds.Movers1d,
        "market_books": books.MarketBooks,
        "fees": books.Fees,
        "outcome_overrides": outcomes.OutcomeOverrides,
        "resolutions": outcomes.Resolutions,
        "calibration": outcomes.Calibration,
        "market_board": markets.MarketBoard,
        "market_life": markets.MarketLife,
        "feed_health": feed.FeedHealth,
    },
    "live": {
        "live_prices": live.LivePrices,
        "live_board": live.LiveBoard,
    },
}
