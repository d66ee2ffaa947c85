{#
    Prices as core.fact_coin_prices has them, of those staged rows for which the condition `rows`
    holds: CTEs, of which `priced` is the last. `rows` holds of a day as a whole, or not at all.
#}
{% macro coin_price_ctes(rows) -%}
-- A coin that changed places between two calls is on two pages of a poll.
coins as (
    select *
    from {{ source("staging", "coin_snapshots") }}
    where {{ rows }}
    qualify
        row_number() over (
            partition by partition_date, polled_at, coin_id order by page asc, pages asc
        ) = 1
),

timed as (
    select
        *,
        max(source_ts) over (partition by partition_date, polled_at) as newest_source_ts
    from coins
),

priced as (
    select
        partition_date,
        polled_at,
        source_ts,
        page,
        coin_id,
        -- 0 is what the API sends for a price or a cap that it doesn't know.
        nullif(price, 0) as price,
        nullif(market_cap, 0) as market_cap,
        nullif(high_24h, 0) as high_24h,
        nullif(low_24h, 0) as low_24h,
        market_cap_rank,
        fully_diluted_valuation,
        volume_24h,
        change_24h_pct,
        circulating_supply,
        total_supply,
        max_supply,
        coalesce(datediff('second', source_ts, newest_source_ts) > 600, true) as is_stale
    from timed
)
{%- endmacro %}


{#
    What is live, as two CTEs: `newest_staged`, the newest staged day, and `priced`, its prices. Live
    are the facts of the days before it, and `priced`: no poll is in both, whatever is published of
    that day. Without a staged day all facts are live.
#}
{% macro live_coin_ctes() -%}
newest_staged as (
    select coalesce(max(partition_date), cast('9999-12-31' as date)) as partition_date
    from {{ source("staging", "coin_snapshots") }}
),

{{ coin_price_ctes("partition_date = (select newest_staged.partition_date from newest_staged)") }}
{%- endmacro %}
