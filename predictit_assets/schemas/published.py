"""What dbt publishes: the schema of each model, by layer and in the order of the layers."""

from predictit_assets.schemas import core
from predictit_assets.schemas.marts import markets
from predictit_assets.schemas.types import Schema

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
        "market_life": markets.MarketLife,
    },
}
