{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

select
    {{ price_columns() }}
from {{ source("staging", "contract_snapshots") }}
where {{ in_window() }}
