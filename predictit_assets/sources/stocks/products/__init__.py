"""What only stocks have: their card in the index of all pages."""

from typing import TYPE_CHECKING

from predictit_assets.sources.stocks.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products

__all__ = ["CARD", "products"]


def products(house: "House") -> "Products":  # noqa: ARG001  # there is nothing to make
    """Nothing for the code location: the index reads the tables of core."""
    from predictit_assets.layers.products import Products

    return Products()
