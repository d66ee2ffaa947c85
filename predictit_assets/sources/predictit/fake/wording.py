"""Made-up politics: the questions that markets ask and the names that contracts bear."""

import re
from typing import NamedTuple

from predictit_assets.sample.random import SeededRandom

COUNTRIES = (
    "Freedonia", "Osterlund", "Pellucia", "Quorvania", "Thistlemark", "São Brandão", "Marrowmere",
    "Vintervik", "Tambourine", "Île-Perdue", "Graustania",
)  # fmt: skip
STATES = (
    "New Bracken", "West Calloway", "Tallowa", "Ozmarka", "Kalumet", "Montavia", "Dunmoor",
    "Saltgrass", "Pinefall", "Río Plumas", "Outer Wendle", "Harrowmount", "Lower Finch",
)  # fmt: skip
FIRST_NAMES = (
    "Ottoline", "Béla", "Ximena", "Zoë", "Ignatius", "Peregrine", "Clementia", "Thaddeus",
    "Odalys", "Caspian", "Leocadia", "Núria", "Ambrose", "Philippa", "Håkon", "Drusilla",
    "Evander", "Sunniva", "Barnaby", "Isolde", "Lazlo", "Marigold", "Octavio",
)  # fmt: skip
LAST_NAMES = (
    "Brackwater", "Quillfeather", "Thornapple", "Marrowgate", "Plumtree", "Farthingale", "Gröning",
    "Oakenfold", "Pettibone", "Snowhill", "Wrenfield", "Dapplewood", "Kettleblack", "Umberland",
    "Vexley", "Zimmerwald", "Inkpen", "Larkwhistle", "Nettleship", "Goosegrass", "Ravelstoke",
    "Tumbledown", "Yarrowby", "Cloudsley", "Hollybush", "Éclairmont", "Mossgather", "Bellweather",
    "Saffronby",
)  # fmt: skip
PARTIES = ("Lantern", "Heron", "Orchard", "Copper", "Tidewater", "Windmill", "Acorn")
BILLS = (
    "Clean Ponds", "Lighthouse", "Fair Ferries", "Daylight Saving", "Honest Toast", "Wool Tariff",
    "Bicycle Lanes", "Tall Hats",
)  # fmt: skip
TOPICS = ("the crown", "the umbrella tax", "a new anthem", "daylight", "the fish quota")


class Wording(NamedTuple):
    """One thing's name and short name (in the real feed at most 80 and 40 characters)."""

    name: str
    short_name: str


class Named(NamedTuple):
    """A name, and the one that an editor may give it later."""

    now: Wording
    later: Wording


class Question(NamedTuple):
    """A market in words: what it asks, and what its contracts are called, in order of id."""

    market: Named
    contracts: tuple[Named, ...]


def question(random: SeededRandom, market_id: int, size: int, year: int) -> Question:
    """The words of a market with `size` contracts that closes in `year`."""
    country = random.pick(COUNTRIES, "country", market_id)
    state = random.pick(STATES, "state", market_id)
    party = random.pick(PARTIES, "party", market_id)
    if size == 1:
        market = _yes_or_no(random, market_id, country, state, year)
        return Question(market, (market,))
    kinds = ["who", "how many"] if size > 2 else ["who"]
    if size <= len(PARTIES):
        kinds += ["which party", "which party"]
    kind = random.pick(kinds, "kind", market_id)
    if kind == "which party":
        return Question(_which_party(random, market_id, state, year), _parties(size))
    if kind == "who":
        market = _who(random, market_id, country, state, party, year)
        return Question(market, _people(random, market_id, size))
    market = Named(
        Wording(
            f"How many seats will the {party} party win in {country} in {year}?",
            f"{party} seats in {country} in {year}?",
        ),
        Wording(
            f"How many seats will {party} hold in {country} after the {year} vote?",
            f"{party} seats, {country}, {year}?",
        ),
    )
    return Question(market, _ranges(random, market_id, size))


def with_quirk(random: SeededRandom, text: str, *words: str | int) -> str:
    """The text, now and then with the stray blanks that the real feed has in its names."""
    draw = random.unit("quirk", text, *words)
    if draw < 0.04:
        return text + " "
    if draw < 0.06:
        return text.replace(" ", "\t", 1)
    if draw < 0.10:
        return text.replace(" ", "  ", 1)
    return text


def slug(text: str) -> str:
    """The text as the last part of a market's URL."""
    return "-".join(re.findall(r"\w+", text))


def _yes_or_no(random: SeededRandom, market_id: int, country: str, state: str, year: int) -> Named:
    first = random.pick(FIRST_NAMES, "first", market_id)
    last = random.pick(LAST_NAMES, "last", market_id)
    bill = random.pick(BILLS, "bill", market_id)
    topic = random.pick(TOPICS, "topic", market_id)
    return random.pick(
        (
            Named(
                Wording(
                    f"Will {first} {last} be governor of {state} on 12/31/{year}?",
                    f"{last} governor at end of {year}?",
                ),
                Wording(
                    f"Will {first} {last} govern {state} at the end of {year}?",
                    f"{last} in office at end of {year}?",
                ),
            ),
            Named(
                Wording(
                    f"Will the {bill} Act become law in {country} in {year}?",
                    f"{bill} Act in {year}?",
                ),
                Wording(
                    f"Will {country} enact the {bill} Act by 12/31/{year}?",
                    f"{bill} Act by 12/31/{year}?",
                ),
            ),
            Named(
                Wording(
                    f"Will {country} hold a referendum on {topic} in {year}?",
                    f"Vote on {topic} in {year}?",
                ),
                Wording(
                    f"Will {country} vote on {topic} before {year + 1}?",
                    f"Vote on {topic} before {year + 1}?",
                ),
            ),
            Named(
                Wording(
                    f"Will {first} {last} leave the cabinet of {country} in {year}?",
                    f"{last} out of cabinet in {year}?",
                ),
                Wording(
                    f"Will {first} {last} resign from {country}'s cabinet by 12/31/{year}?",
                    f"{last} out by 12/31/{year}?",
                ),
            ),
        ),
        "yes or no",
        market_id,
    )


def _which_party(random: SeededRandom, market_id: int, state: str, year: int) -> Named:
    office = random.pick(("Senate", "House", "governor"), "office", market_id)
    return Named(
        Wording(
            f"Which party will win the {year} {state} {office} election?",
            f"{year} {state} {office}?",
        ),
        Wording(
            f"Which party will win {state}'s {office} race in {year}?",
            f"{state} {office} in {year}?",
        ),
    )


def _who(
    random: SeededRandom, market_id: int, country: str, state: str, party: str, year: int
) -> Named:
    return random.pick(
        (
            Named(
                Wording(
                    f"Who will win the {year} {country} presidential election?",
                    f"{year} {country} president?",
                ),
                Wording(
                    f"Who will be elected president of {country} in {year}?",
                    f"President of {country} in {year}?",
                ),
            ),
            Named(
                Wording(
                    f"Who will be the {party} nominee for governor of {state} in {year}?",
                    f"{party} nominee, {state} {year}?",
                ),
                Wording(
                    f"Who will win the {year} {party} primary for governor of {state}?",
                    f"{year} {party} primary, {state}?",
                ),
            ),
            Named(
                Wording(
                    f"Who will lead the {party} party in {country} at the end of {year}?",
                    f"{party} leader at end of {year}?",
                ),
                Wording(
                    f"Who will be leader of {country}'s {party} party on 12/31/{year}?",
                    f"{party} leader on 12/31/{year}?",
                ),
            ),
        ),
        "who",
        market_id,
    )


def _parties(size: int) -> tuple[Named, ...]:
    return tuple(
        Named(Wording(party, party), Wording(f"{party} Party", party)) for party in PARTIES[:size]
    )


def _people(random: SeededRandom, market_id: int, size: int) -> tuple[Named, ...]:
    first = random.number("first", market_id)
    last = random.number("last", market_id)
    # Any step below a prime number of names visits them all before it repeats one.
    step = 1 + random.number("step", market_id) % (len(LAST_NAMES) - 1)
    people = []
    for index in range(size):
        forename = FIRST_NAMES[(first + index) % len(FIRST_NAMES)]
        surname = LAST_NAMES[(last + index * step) % len(LAST_NAMES)]
        people.append(
            Named(
                Wording(f"{forename} {surname}", surname),
                Wording(f"{forename} “{surname[:3]}” {surname}", f"{forename[0]}. {surname}"),
            )
        )
    return tuple(people)


def _ranges(random: SeededRandom, market_id: int, size: int) -> tuple[Named, ...]:
    width = random.pick((3, 5, 10), "width", market_id)
    low = width * (1 + random.number("low", market_id) % 8)
    bands = [(f"≤ {low - 1}", f"{low - 1} or fewer")]
    for index in range(size - 2):
        start = low + index * width
        bands.append((f"{start} - {start + width - 1}", f"{start} to {start + width - 1}"))
    high = low + (size - 2) * width
    bands.append((f"≥ {high}", f"{high} or more"))
    return tuple(Named(Wording(now, now), Wording(later, later)) for now, later in bands)
