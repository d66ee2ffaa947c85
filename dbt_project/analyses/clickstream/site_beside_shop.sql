-- What a site said that it sold beside what the dumps of the shop say, by UTC day and currency.
with

-- Both are looked at between their first and their last day, of which they may hold only a part.
-- The shop's days are those on its wall: one of UTC has hours of two of them.
hits_held as (
    select
        min(partition_date) as first_day,
        max(partition_date) as last_day
    from {{ ref("traffic_1d") }}
),

dumps_held as (
    select
        min(partition_date) as first_day,
        max(partition_date) as last_day
    from {{ source("staging", "order_dumps") }}
),

days_with_hits as (
    select distinct partition_date
    from {{ ref("traffic_1d") }}
),

sold_by_site as (
    select
        partition_date,
        currency,
        cast(sum(transactions) as bigint) as transactions,
        cast(sum(revenue) as decimal(18, 4)) as revenue
    from {{ ref("revenue_1d") }}
    where property_id like {{ text_of("property", "%") }}
    group by partition_date, currency
),

sold_by_shop as (
    select
        cast(created_at as date) as partition_date,
        upper(trim(coalesce(currency, ''))) as currency,
        count(*) as orders,
        cast(sum(total) as decimal(18, 4)) as revenue
    from {{ ref("fact_orders") }}
    where
        counts
        and coalesce(source_name, '') like {{ text_of("channel", "%") }}
    group by cast(created_at as date), upper(trim(coalesce(currency, '')))
),

days as (
    select
        coalesce(sold_by_site.partition_date, sold_by_shop.partition_date) as partition_date,
        coalesce(sold_by_site.currency, sold_by_shop.currency) as currency,
        sold_by_site.transactions,
        sold_by_shop.orders,
        sold_by_site.revenue as site_revenue,
        sold_by_shop.revenue as shop_revenue
    from sold_by_site
    full outer join sold_by_shop
        on
            sold_by_site.partition_date = sold_by_shop.partition_date
            and sold_by_site.currency = sold_by_shop.currency
),

told as (
    select
        days.*,
        coalesce(
            days_with_hits.partition_date is not null
            and days.partition_date > hits_held.first_day
            and days.partition_date < hits_held.last_day
            and days.partition_date > dumps_held.first_day
            and days.partition_date < dumps_held.last_day,
            false
        ) as both_hold_it
    from days
    cross join hits_held
    cross join dumps_held
    left join days_with_hits on days.partition_date = days_with_hits.partition_date
),

-- Where both hold the day, nothing told means that nothing was sold.
filled as (
    select
        partition_date,
        currency,
        both_hold_it,
        case when both_hold_it then coalesce(transactions, 0) else transactions end
            as site_transactions,
        case when both_hold_it then coalesce(orders, 0) else orders end as shop_orders,
        case when both_hold_it and transactions is null then 0 else site_revenue end
            as site_revenue,
        case when both_hold_it and orders is null then 0 else shop_revenue end as shop_revenue
    from told
),

compared as (
    select
        *,
        case when both_hold_it then site_transactions - shop_orders end as more_transactions,
        case when both_hold_it then site_revenue - shop_revenue end as more_revenue
    from filled
)

select
    partition_date,
    currency,
    both_hold_it,
    site_transactions,
    shop_orders,
    more_transactions,
    cast(site_revenue as decimal(18, 4)) as site_revenue,
    cast(shop_revenue as decimal(18, 4)) as shop_revenue,
    cast(more_revenue as decimal(18, 4)) as more_revenue,
    cast(
        cast(more_revenue as double) / nullif(cast(shop_revenue as double), 0) as decimal(18, 6)
    ) as more_revenue_share,
    more_transactions <> 0 or more_revenue <> 0 as differs
from compared
order by partition_date, currency
