"""The contract of a source: a declaration that needs no client, no key and no warehouse."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from predictit_assets.contract.arrival import Arrival, Polled
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.settings import SourceSettings

if TYPE_CHECKING:
    import pyarrow

    from predictit_assets.contract.manifests import RawManifest
    from predictit_assets.contract.schema import Schema


class Limits(NamedTuple):
    """From what age on data is warned about, and from what age on it is wrong."""

    warn: timedelta
    fail: timedelta


HOURLY = Limits(warn=timedelta(minutes=90), fail=timedelta(hours=3))
"""What is made anew every hour."""


class RateLimit(NamedTuple):
    """So many calls in so many seconds, over all processes that share a home."""

    calls: int
    per: float
    a_month: int | None = None
    """Calls in a UTC month, those that fail too."""
    for_polls: float = 0.0
    """Calls a second that polls need: what else is asked leaves them the rest of the month."""
    pause: float = 0.0
    """Seconds to wait after a 429 that doesn't say how long."""
    pages_refuse: bool = False
    """Whether an error that is a page comes from who guards the API: it isn't asked again then."""


class Auth(NamedTuple):
    """How a key is shown to the API. It goes to the API's own hosts only."""

    header: str = ""
    """The header that bears it, such as Authorization."""
    form: str = "{}"
    """The value of the header, with {} for the key."""
    parameter: str = ""
    """Or the query parameter, where the API knows no header."""
    refusal: str = ""
    """What a 400 or a 403 says that refuses the key, a regular expression; a 401 always does."""


class Dataset(Protocol):
    """Payloads of one kind: how they arrive, what makes them valid, and which rows they hold."""

    name: ClassVar[str]
    """One word: the folder of its payloads, from landing to raw."""
    description: ClassVar[str]
    """A sentence for the UI: what a payload of it is."""
    calendar: ClassVar[Calendar]
    """Whose days its partitions are. All datasets of a source have the same."""
    arrivals: ClassVar[Sequence[Arrival]]
    """The ways in."""
    tables: "ClassVar[Mapping[str, Schema]]"
    """The tables that its payloads become, from curated to staging, with their schemas."""
    counts: ClassVar[Sequence[str]]
    """What `validate` counts: columns of the raw manifest that the UI shows."""
    max_age: ClassVar[Limits | None] = None
    """How old its newest payload may be. None: a day without payloads is nothing unusual."""
    one_per_moment: ClassVar[bool] = False
    """Whether a payload is the whole truth of its moment (and part), so that two are rivals."""
    day_is_capture: ClassVar[bool] = True
    """Whether a payload's day is the one of its capture; else the source says it (an answer of
    today about last March lies in March)."""
    rejects: ClassVar[Sequence[str]] = ()
    """The tables whose rows may be rejected one by one: each has a `rejected_` table."""
    suffix: ClassVar[str] = ".json.gz"
    """Of the names of its objects."""
    warnings: "ClassVar[type[RawManifest] | None]" = None
    """A raw manifest with more rules that warn: a subclass of RawManifest, without counts."""

    def validate(self, payload: Payload) -> Validation:
        """Check the structure of a payload. Raises InvalidPayload."""
        ...

    def rows(self, payloads: Sequence[Payload]) -> "Mapping[str, pyarrow.RecordBatch]":
        """The rows of valid payloads, given in time order: one batch of sorted rows a table.

        A table of `rejects` has its rejected rows under `rejected_<table>` (`rejected_batch`).
        """
        ...

    def is_there(
        self,
        settings: SourceSettings,  # noqa: ARG002  # a dataset of its own uses them
        on: Collection[str],  # noqa: ARG002
    ) -> bool:
        """Whether there is such a dataset, by the source's settings and the sources that are on.

        One that asks for what another source names says so here.
        """
        return True

    def age_of_newest(self, settings: SourceSettings) -> Limits | None:  # noqa: ARG002
        """How old the newest payload may be; a dataset whose settings say so looks there."""
        return self.max_age

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """Whether two answers to the same request say the same, though their bytes may differ."""
        return before == after


class Published(NamedTuple):
    """Where the house sees how far a source is published: SQL over its core tables."""

    table: str
    """The table of core that the checks `fresh` and `completeness` hang on."""
    days: str
    """A query that gives each published day."""
    newest: str
    """A query that gives the newest moment in the data (UTC), one row."""


class Reference(NamedTuple):
    """Columns of a served table that name a row of another one, by the key of that one."""

    columns: Sequence[str]
    table: str


class Serving(NamedTuple):
    """What of a source is published to PostgreSQL, where applications read it."""

    tables: Sequence[str]
    """Layers and single models, by name. A view needs its SQL over served tables in
    `dbt_project/serving/<source>/<view>.sql`."""
    private: Mapping[str, Sequence[str]] = {}
    """The columns that readers don't get, by table."""
    references: Mapping[str, Sequence[Reference]] = {}
    """The foreign keys, by table. In a table by day `partition_date` is a part of each key."""
    copies: Sequence[str] = ()
    """The views among `tables` whose rows are copied, as they are right after each build: what
    they are made of isn't served."""


class Source(NamedTuple):
    """A system whose payloads are kept: who runs it, what it holds, how it may be asked."""

    name: str
    """One word: the folder of its code, the prefix of its objects."""
    title: str
    homepage: str
    licence: str
    """What may be done with the data, in a phrase."""
    datasets: Sequence[Dataset]
    settings: type[SourceSettings]
    docs: str = ""
    """The page that describes the API, or the files."""
    owner: str = "team:data"
    """Who answers for its assets."""
    rate_limit: "RateLimitOf | None" = None
    auth: "Auth | AuthOf | None" = None
    hosts: Sequence[str] = ()
    """Hosts of the API besides the configured one: next-page links may name them."""
    published: Published | None = None
    max_age: Limits | None = HOURLY
    """How old what is made of its payloads may be; None where nothing new is nothing unusual."""
    serving: Serving | None = None
    products: str = ""
    """The module of what only this source has; its function `products` makes it."""

    @property
    def calendar(self) -> Calendar:
        """The calendar of all its datasets."""
        (calendar,) = {dataset.calendar for dataset in self.datasets}
        return calendar

    def dataset(self, name: str) -> Dataset:
        """The dataset of this name."""
        return next(one for one in self.datasets if one.name == name)


class OutsidePoll(NamedTuple):
    """What a poller outside Dagster has to know of a source: it imports no more than this."""

    source: str
    dataset: str
    calendar: Calendar
    way: Polled
    settings: type[SourceSettings]
    rate_limit: "RateLimitOf"
    auth: "Auth | AuthOf | None" = None
    validate: Callable[[Payload], Validation] | None = None
    """Counts what a payload holds; None where that takes more than a poller has room for."""


class AuthOf(Protocol):
    """How a key is shown, by the source's settings."""

    def __call__(self, settings: SourceSettings) -> Auth | None:
        """The way, or None where no key is shown."""
        ...


class RateLimitOf(Protocol):
    """How often the API may be asked, by the source's settings."""

    def __call__(self, settings: SourceSettings) -> RateLimit:
        """The rate limit."""
        ...


def may_be_empty(dataset: Dataset) -> bool:
    """Whether a day without payloads is nothing unusual."""
    return dataset.max_age is None


def all_tables(dataset: Dataset) -> "dict[str, Schema]":
    """The tables of a dataset, those of rejected rows included."""
    from predictit_assets.contract.rejected import REJECTED, RejectedRows

    rejected = {f"{REJECTED}{table}": RejectedRows for table in dataset.rejects}
    return {**dataset.tables, **rejected}


def raw_manifest(dataset: Dataset) -> "Schema":
    """The schema of the dataset's raw manifests: the common columns and one a count."""
    from predictit_assets.contract import manifests

    common = manifests.OneAMomentManifest if dataset.one_per_moment else manifests.RawManifest
    return manifests.with_counts(dataset.warnings or common, tuple(dataset.counts))  # type: ignore[arg-type]
