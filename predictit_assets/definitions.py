"""The code location: what `dg` and `workspace.yaml` load."""

from predictit_assets.build import build_definitions
from predictit_assets.settings import load_settings

defs = build_definitions(load_settings())
