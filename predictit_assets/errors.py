"""What can go wrong in ways we expect: each error is one sentence that says what to do next.

Whatever isn't a `PredictitError` is a defect and keeps its traceback.
"""


class PredictitError(Exception):
    """An expected failure; its text is shown to people as it is."""


class SettingsError(PredictitError):
    """The environment holds a value that can't be used."""


class FetchError(PredictitError):
    """The API gave no payload: it can't be reached, or what came back isn't one."""


class NothingHeld(PredictitError):
    """The store holds no payload for the days that were asked for."""


class WarehouseBusy(PredictitError):
    """Another process holds the warehouse."""
