"""Eastern time as the feed writes it: the time stamp, the trading day, and the end date's forms."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from predictit_assets.sample.random import SeededRandom

EASTERN = ZoneInfo("America/New_York")

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def seconds(at: datetime) -> float:
    """Seconds since 1970 of an aware time."""
    if at.tzinfo is None:
        raise ValueError(f"the sample feed needs an aware time, not {at!r}")
    return at.timestamp()


def eastern(moment: float) -> datetime:
    """Eastern wall time of a moment in seconds since 1970."""
    return datetime.fromtimestamp(moment, tz=UTC).astimezone(EASTERN)


def last_midnight(moment: float) -> float:
    """The moment (seconds since 1970) at which the Eastern day of `moment` began."""
    return eastern(moment).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def time_stamp(random: SeededRandom, moment: float) -> str:
    """The feed's `timeStamp`, up to two seconds before the moment: naive, .NET style."""
    second = int(moment // 1) - 1
    digits = random.pick((3, 5, 6, 7, 7, 7, 7, 7), "digits", second)
    # .NET drops trailing zeros, so the last digit is never one.
    fraction = random.number("fraction", second) % 10 ** (digits - 1) * 10 + 1 + second % 9
    stamp = eastern(second).replace(tzinfo=None).isoformat()
    return f"{stamp}.{fraction:0{digits}d}"


def iso_date_end(closes: float) -> str:
    """The last minute of the Eastern day, in the machine-readable form."""
    return eastern(closes).strftime("%Y-%m-%dT23:59:00")


def free_text_date_ends(closes: float) -> tuple[str, ...]:
    """The same day in each of the forms that people have typed into the field."""
    day = eastern(closes)
    year, month, number = day.year, day.month, day.day
    return (
        "N/A",
        f"{month:02d}/{number:02d}/{year} 11:00:00 AM (ET)",
        f"{month:02d}/{number}/{year} 11:00:00 AM (ET)",
        f"{month}/{number}/{year} 12:00 AM (ET) [beginning of the day]",
        f"{month}/{number}/{year} 12:00 a.m.",
        f"{month}/{number}/{year} 11:59 PM (ET)",
    )


def closed_date_ends(closes: float) -> tuple[str, ...]:
    """The forms that only closed markets bear."""
    day = eastern(closes)
    return (
        "No End Date",
        "9/99/99 9:99 p.m. (ET)",
        f"{day.month}/{day.day}/{day.year} 11:59 PM (EDT)",
    )
