-- A forecast is the last trade price of the newest hour of odds that had ended by then, if that
-- hour is no older than this.
{%- set longest_ago = "24 hours" %}
{%- set horizons = [1, 7, 30] %}
-- 0 and 1 have no finite log loss: prices are clamped to the cents next to them.
{%- set least = "0.01" %}
{%- set most = "0.99" %}

with

decided as (
    select
        contract_id,
        left_ts,
        case when outcome = 'Yes' then 1 else 0 end as came_true
    from {{ ref("resolutions") }}
    where outcome in ('Yes', 'No')
),

moments as (
    {%- for days in horizons %}
        {%- if not loop.first %}
            union all
        {%- endif %}
        select
            contract_id,
            came_true,
            cast({{ days }} as bigint) as days_before,
            left_ts - interval '{{ days }} days' as latest
        from decided
    {%- endfor %}
),

forecasts as (
    select
        moments.days_before,
        moments.contract_id,
        moments.came_true,
        max_by(odds.trade_close, odds.period_start_ts) as price
    from moments
    inner join {{ ref("odds_1h") }} as odds
        on
            moments.contract_id = odds.contract_id
            and odds.period_start_ts + interval '1 hour' <= moments.latest
            and odds.period_start_ts + interval '1 hour'
            > moments.latest - interval '{{ longest_ago }}'
    where odds.trade_close is not null
    group by moments.days_before, moments.contract_id, moments.came_true
),

scored as (
    select
        days_before,
        came_true,
        price,
        cast(floor(price * 10) / 10 as decimal(6, 4)) as price_bin,
        (price - came_true) * (price - came_true) as squared_error,
        -- Each value is rounded before the sum, so that the order of the rows doesn't change it.
        cast(
            -ln(
                case
                    when came_true = 1 then greatest(price, {{ least }})
                    else 1 - least(price, {{ most }})
                end
            ) as decimal(12, 9)
        ) as surprise
    from forecasts
)

select
    days_before,
    price_bin,
    count(*) as contracts,
    cast(sum(price) / count(*) as decimal(6, 4)) as mean_price,
    cast(sum(came_true) / count(*) as decimal(6, 4)) as yes_share,
    cast(sum(squared_error) / count(*) as decimal(9, 6)) as brier_score,
    cast(sum(surprise) / count(*) as decimal(9, 6)) as log_loss
from scored
group by days_before, price_bin
