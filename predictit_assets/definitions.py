"""The code location: what `dg` and `workspace.yaml` load."""

from predictit_assets.instance.loading import load_definitions
from predictit_assets.settings import load_settings

defs = load_definitions(load_settings())
