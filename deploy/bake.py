"""Parses the dbt project for each warehouse, so that an image has the manifests it starts with."""

from predictit_assets import factory
from predictit_assets.settings import Settings, WarehouseHome

for warehouse in WarehouseHome:
    print(factory.dbt(Settings(warehouse=warehouse)).manifest_file())
