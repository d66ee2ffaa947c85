{%- set attributes = [
    "name",
    "type",
    "primary_exchange",
    "currency_name",
    "cik",
    "composite_figi",
    "share_class_figi",
] %}
with

{{ usable_lists() }},

listed as (
    select listings.*
    from {{ ref("ticker_listings") }} as listings
    inner join usable_lists on listings.partition_date = usable_lists.partition_date
),

-- Absence ends no version: what is compared is the listing before, however long ago.
first_days as (
    select *
    from listed
    qualify {{ differs_from_previous(attributes, "ticker", "partition_date") }}
),

closed as (
    select
        *,
        lead(partition_date) over (partition by ticker order by partition_date) as valid_to_date
    from first_days
)

select
    ticker,
    {{ attributes | join(",\n    ") }},
    partition_date as valid_from_date,
    valid_to_date,
    valid_to_date is null as is_current
from closed
