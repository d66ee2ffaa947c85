"""Names that Dagster uses and doesn't export; tests/instance/test_upstream.py pins each of them."""

RUNLESS = ""
"""The run id of an event that a sensor reported without a run."""
WILL_RETRY_TAG = "dagster/will_retry"
"""Is "true" on a failed run that Dagster will run again."""
CHECK_FAILED_ERROR = "DagsterAssetCheckFailedError"
"""The error of a step that stopped because a blocking check failed."""
HIDDEN_TAG_PREFIX = ".dagster/"
"""The UI shows no run tag that begins like this."""
LOCATION_TAG = "dagster/code_location"
"""Says of which code location a run is."""
SERVER_TAG = ".dagster/grpc_info"
"""Says where the code server is that executes a run."""
OWN_TAG_PREFIXES = (f"{HIDDEN_TAG_PREFIX}predictit_", "predictit/")
"""How the tags begin that `predictit build` gives its runs, and gave them before."""
NO_RETRY = {"dagster/max_retries": "0"}
"""The tag of a run that Dagster is not to begin again by itself."""
