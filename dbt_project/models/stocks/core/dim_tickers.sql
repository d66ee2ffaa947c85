with

{{ usable_lists() }},

numbered_lists as (
    select
        partition_date,
        row_number() over (order by partition_date desc) - 1 as newer_lists
    from usable_lists
),

lives as (
    select
        listings.ticker,
        min(listings.partition_date) as first_listed_date,
        max(listings.partition_date) as last_listed_date,
        min(numbered_lists.newer_lists) as newer_lists
    from {{ ref("ticker_listings") }} as listings
    inner join numbered_lists on listings.partition_date = numbered_lists.partition_date
    group by listings.ticker
)

select
    versions.ticker,
    versions.name,
    versions.type,
    versions.primary_exchange,
    versions.currency_name,
    versions.cik,
    versions.composite_figi,
    versions.share_class_figi,
    versions.valid_from_date,
    lives.first_listed_date,
    lives.last_listed_date,
    -- One ticker in eight vanishes from a nightly list and comes back.
    lives.newer_lists < 3 as is_active
from {{ ref("dim_tickers_history") }} as versions
inner join lives on versions.ticker = lives.ticker
where versions.is_current
