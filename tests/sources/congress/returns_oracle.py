"""What the marts make of core, written from their definitions and from none of their SQL.

Quotients are fractions, so nothing is rounded before the end.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

Row = dict[str, Any]
HORIZONS = (5, 21, 63, 126, 252)
MONTH = timedelta(days=29)
"""From the first of thirty days to the last."""


def rounded(value: Fraction, digits: int) -> Decimal:
    """A fraction as a decimal; half a unit goes to the even neighbour."""
    return Decimal(round(value * 10**digits)).scaleb(-digits)


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of columns."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def total(rows: Iterable[Row], name: str) -> Decimal | None:
    """The sum of a column where it is known."""
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values, Decimal(0)) if values else None


@dataclass
class Core:
    """The tables that the marts are made of."""

    trades: list[Row]
    members: list[Row]
    states: Mapping[str, Row]
    exchange_days: list[Row]
    stock_days: list[Row]
    splits: list[Row]
    benchmark: str = "SPY"

    @cached_property
    def sessions(self) -> list[date]:
        """All sessions of the calendar."""
        return sorted(day["exchange_date"] for day in self.exchange_days if day["is_session"])

    @cached_property
    def bars(self) -> dict[tuple[str, date], Row]:
        """Prices by ticker and session."""
        return {(bar["ticker"], bar["partition_date"]): bar for bar in self.stock_days}

    @cached_property
    def names(self) -> dict[str, Row]:
        """Members by id."""
        return {member["member_id"]: member for member in self.members}

    @cached_property
    def counted(self) -> list[Row]:
        """The trades that count."""
        return [trade for trade in self.trades if trade["counts"]]

    def session(self, day: date, *, after: bool) -> date | None:
        """The first session on or after a day of the calendar, or after it."""
        known = [row["exchange_date"] for row in self.exchange_days]
        if not min(known) <= day <= max(known):
            return None
        place = (bisect_right if after else bisect_left)(self.sessions, day)
        return self.sessions[place] if place < len(self.sessions) else None


def status(core: Core, trade: Row, session: date | None) -> str:
    """Whether a session is priced, or why not."""
    held = {bar["partition_date"] for bar in core.stock_days}
    if trade["security_kind"] not in ("stock", "fund"):
        return "not_a_stock"
    if trade["ticker"] is None:
        return str(trade["ticker_reason"])
    if session is None:
        return "no_session"
    if session < min(held):
        return "before_history"
    if session > max(held):
        return "not_yet"
    if session not in held:
        return "session_missing"
    return "priced" if (trade["ticker"], session) in core.bars else "not_listed"


def trade_prices(core: Core) -> list[Row]:
    """Trades with the prices of two sessions."""
    made = []
    for trade in core.trades:
        traded = core.session(trade["transaction_date"], after=False)
        public = core.session(trade["report_date"], after=True)
        bar = core.bars.get((trade["ticker"], traded), {})
        public_bar = core.bars.get((trade["ticker"], public), {})
        member = core.names[trade["member_id"]]
        state = core.states.get(trade["state"], {})
        made.append(
            {
                **trade,
                "state_name": state.get("state_name"),
                "state_iso": state.get("state_iso"),
                "member_name": member["member_name"],
                "party_now": member["party"],
                "chamber_now": member["chamber"],
                "committees_now": member["committees"],
                "transaction_session": traded,
                "public_session": public,
                **{f"stock_{name}": bar.get(name) for name in ("open", "high", "low", "close")},
                "stock_volume": bar.get("volume"),
                "stock_mid": (bar["high"] + bar["low"]) / 2 if bar else None,
                "public_open": public_bar.get("open"),
                "public_close": public_bar.get("close"),
                "transaction_status": status(core, trade, traded),
                "public_status": status(core, trade, public),
            }
        )
    return made


def trade_coverage(prices: Iterable[Row]) -> list[Row]:
    """How many trades have which status."""
    counted = Counter(
        (row["report_date"], basis, row[f"{basis}_status"])
        for row in prices
        if row["counts"]
        for basis in ("transaction", "public")
    )
    return [
        {"report_date": day, "basis": basis, "status": word, "trades": trades}
        for (day, basis, word), trades in counted.items()
    ]


def growth(core: Core, ticker: str, begun: date, ended: date) -> tuple[Fraction, Fraction] | None:
    """The return and the split factor of a span, or nothing where they can't be told."""
    first, last = core.bars.get((ticker, begun)), core.bars.get((ticker, ended))
    if first is None or last is None or not first["close"]:
        return None
    between = [
        split
        for split in core.splits
        if split["ticker"] == ticker and begun < split["partition_date"] <= ended
    ]
    if any(split["is_ambiguous"] for split in between):
        return None
    factor = prod(
        (Fraction(split["split_to"]) / Fraction(split["split_from"]) for split in between),
        start=Fraction(1),
    )
    return Fraction(last["close"]) * factor / Fraction(first["close"]) - 1, factor


def trade_returns(core: Core, prices: Iterable[Row]) -> list[Row]:
    """What became of purchases and sales."""
    numbers = {day: number for number, day in enumerate(core.sessions)}
    made = []
    for trade in prices:
        if (
            not trade["counts"]
            or trade["side"] not in ("purchase", "sale")
            or trade["security_kind"] not in ("stock", "fund")
            or trade["ticker"] is None
        ):
            continue
        for basis in ("transaction", "public"):
            begun = trade[f"{basis}_session"]
            for horizon in HORIZONS:
                if begun is None or numbers[begun] + horizon >= len(core.sessions):
                    continue
                ended = core.sessions[numbers[begun] + horizon]
                own = growth(core, trade["ticker"], begun, ended)
                benchmark = growth(core, core.benchmark, begun, ended)
                if own is None or benchmark is None:
                    continue
                stock_return, benchmark_return = rounded(own[0], 8), rounded(benchmark[0], 8)
                excess = stock_return - benchmark_return
                made.append(
                    {
                        "partition_date": max(ended, trade["public_session"] or ended),
                        "transaction_id": trade["transaction_id"],
                        "basis": basis,
                        "horizon_sessions": horizon,
                        "ticker": trade["ticker"],
                        "side": trade["side"],
                        "dates_plausible": trade["dates_plausible"],
                        "base_session_date": begun,
                        "end_session_date": ended,
                        "base_close": core.bars[trade["ticker"], begun]["close"],
                        "end_close": core.bars[trade["ticker"], ended]["close"],
                        "split_factor": rounded(own[1], 8),
                        "stock_return": stock_return,
                        "benchmark_return": benchmark_return,
                        "excess_return": excess,
                        "signed_excess": excess if trade["side"] == "purchase" else -excess,
                    }
                )
    return made


def return_summary(returns: Iterable[Row]) -> list[Row]:
    """Means, medians, and how often the excess was above nothing."""
    plausible = (row for row in returns if row["dates_plausible"])
    made = []
    for key, rows in grouped(plausible, "basis", "horizon_sessions", "side").items():
        row: Row = dict(zip(("basis", "horizon_sessions", "side"), key, strict=True))
        n = row["n"] = len(rows)
        for name in ("stock_return", "excess_return"):
            values = sorted(Fraction(one[name]) for one in rows)
            middle = (values[(n - 1) // 2] + values[n // 2]) / 2
            row[f"{name}_mean"] = rounded(sum(values, Fraction(0)) / n, 8)
            row[f"{name}_median"] = rounded(middle, 8)
        hits = sum(one["excess_return"] > 0 for one in rows)
        made.append(row | {"hit_share": rounded(Fraction(hits, n), 8)})
    return made


def buyer_clusters(core: Core) -> list[Row]:
    """Stocks that three members bought, by reports of thirty days."""
    bought = [
        trade
        for trade in core.counted
        if trade["side"] == "purchase" and trade["security_kind"] == "stock" and trade["ticker"]
    ]
    made: list[Row] = []
    for (ticker,), trades in grouped(bought, "ticker").items():
        told: list[date] = []
        for day in sorted({trade["report_date"] for trade in trades}):
            recent = [trade for trade in trades if day - MONTH <= trade["report_date"] <= day]
            members = {trade["member_id"] for trade in recent}
            if len(members) < 3:
                continue
            parties = sorted({trade["party"] for trade in recent if trade["party"]})
            made.append(
                {
                    "partition_date": day,
                    "ticker": ticker,
                    "report_date": day,
                    "members": len(members),
                    "purchases": len(recent),
                    "first_report_date": min(trade["report_date"] for trade in recent),
                    "parties": ",".join(parties) or None,
                    "is_bipartisan": {"D", "R"} <= set(parties),
                    "amount_low": total(recent, "amount_low"),
                    "amount_estimate": total(recent, "amount_estimate"),
                    "is_new": not any(day - MONTH <= before < day for before in told),
                }
            )
            told.append(day)
    return made


def late_filings(core: Core) -> list[Row]:
    """Reports that came too late."""
    plausible = [trade for trade in core.counted if trade["dates_plausible"] and trade["report_id"]]
    made = []
    for (report,), trades in grouped(plausible, "report_id").items():
        late = [trade for trade in trades if trade["is_late"]]
        if not late:
            continue
        first = min(
            trades, key=lambda one: (-one["transaction_date"].toordinal(), one["transaction_id"])
        )
        told = ("member_id", "party", "chamber", "report_date", "disclosure_url")
        made.append(
            {
                "report_id": report,
                **{name: first[name] for name in told},
                "member_name": core.names[first["member_id"]]["member_name"],
                "trades": len(trades),
                "late_trades": len(late),
                "over_45_trades": sum(trade["is_over_45"] for trade in trades),
                "worst_days_late": max(trade["days_late"] for trade in trades),
                "amount_low": total(late, "amount_low"),
                "amount_estimate": total(late, "amount_estimate"),
            }
        )
    return made


def percentile(values: list[int], share: Fraction) -> Decimal | None:
    """Linear between the two values that it lies between."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = ordered[int(place)]
    above = ordered[min(int(place) + 1, len(ordered) - 1)]
    return rounded(below + (place - int(place)) * (above - below), 2)


def disclosure_lag_1mo(core: Core) -> list[Row]:
    """How long it took, by month, chamber and party."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for trade in core.counted:
        month = trade["report_date"].replace(day=1)
        groups[month, trade["chamber"] or "unknown", trade["party"] or "unknown"].append(trade)
    made = []
    for (month, chamber, party), trades in groups.items():
        plausible = [trade for trade in trades if trade["dates_plausible"]]
        days = [trade["days_to_report"] for trade in plausible]
        made.append(
            {
                "report_month": month,
                "chamber": chamber,
                "party": party,
                "trades": len(plausible),
                "implausible": len(trades) - len(plausible),
                **{f"p{one}": percentile(days, Fraction(one, 100)) for one in (25, 50, 75, 90)},
                "over_45": sum(trade["is_over_45"] for trade in plausible),
                "late": sum(trade["is_late"] for trade in plausible),
            }
        )
    return made


def trade_breakdown_1d(core: Core) -> list[Row]:
    """Sums by day and dimension."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for trade in core.counted:
        for basis, day in _days(trade):
            values = {
                "all": "all",
                "state": trade["state"],
                "chamber": trade["chamber"],
                "party": trade["party"],
                "member": trade["member_id"],
                "ticker": trade["ticker"],
            }
            for dimension, value in values.items():
                key = (basis, day, dimension, value or "unknown", trade["side"])
                groups[*key, trade["is_partial"]].append(trade)
    return [
        {
            "date_basis": basis,
            "activity_date": day,
            "dimension": dimension,
            "value": value,
            "side": side,
            "is_partial": is_partial,
            "trades": len(trades),
            "members": len({trade["member_id"] for trade in trades}),
            "amount_low": total(trades, "amount_low"),
            "amount_high": total(trades, "amount_high"),
            "open_ended": sum(trade["amount_kind"] == "open" for trade in trades),
            "amount_estimate": total(trades, "amount_estimate"),
        }
        for (basis, day, dimension, value, side, is_partial), trades in groups.items()
    ]


def _days(trade: Row) -> Iterator[tuple[str, date]]:
    yield "report", trade["report_date"]
    if trade["dates_plausible"]:
        yield "transaction", trade["transaction_date"]


def marts(core: Core) -> dict[str, list[Row]]:
    """All of them, by name."""
    prices = trade_prices(core)
    returns = trade_returns(core, prices)
    return {
        "trade_prices": prices,
        "trade_coverage": trade_coverage(prices),
        "trade_returns": returns,
        "return_summary": return_summary(returns),
        "buyer_clusters": buyer_clusters(core),
        "late_filings": late_filings(core),
        "disclosure_lag_1mo": disclosure_lag_1mo(core),
        "trade_breakdown_1d": trade_breakdown_1d(core),
    }
