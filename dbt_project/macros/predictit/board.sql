{#
    The odds at the newest poll, one row per contract of that poll. marts.market_board and
    live.live_board use it. The model defines these CTEs before it calls the macro:

    published     polled_at: the newest published poll; one row
    staged        if `is_live`: the prices of polls that are staged beyond it
    contracts     contract_id, contract_name, contract_short_name
    markets       market_id, market_name, market_short_name, market_url

    An earlier price comes from the newest poll at or before that moment, unless that poll is older
    than a limit. A contract that this poll lacks has no earlier price. The days of these polls are
    computed first, so that the query reads no other days. The facts and the staged rows are joined
    separately, because DuckDB doesn't prune the days of a union.
#}
{% macro board_ctes(is_live=false) -%}
{%- set horizons = [
    ("1h", "1 hour", "15 minutes"),
    ("24h", "24 hours", "1 hour"),
    ("7d", "7 days", "6 hours"),
] -%}
{%- set relations = [ref("fact_prices"), "staged"] if is_live else [ref("fact_prices")] -%}
newest_poll as (
    {%- if is_live %}
    select coalesce((select max(polled_at) from staged), polled_at) as polled_at
    from published
    {%- else %}
    select polled_at
    from published
    {%- endif %}
),

horizons as (
    select
        'now' as horizon,
        polled_at as latest,
        polled_at as earliest
    from newest_poll
    {%- for name, back, staleness in horizons %}
    union all
    select
        '{{ name }}' as horizon,
        polled_at - interval '{{ back }}' as latest,
        polled_at - interval '{{ back }}' - interval '{{ staleness }}' as earliest
    from newest_poll
    {%- endfor %}
),

-- The limit of each horizon is shorter than a day: it crosses one midnight at most.
days as (
    select
        horizon,
        latest,
        earliest,
        {{ eastern_day("latest") }} as partition_date
    from horizons
    union
    select
        horizon,
        latest,
        earliest,
        {{ eastern_day("earliest") }} as partition_date
    from horizons
),

polls_found as (
    {%- for prices in relations %}
    {%- if not loop.first %}
    union all
    {%- endif %}
    select
        days.horizon,
        max(prices.polled_at) as polled_at
    from days
    inner join {{ prices }} as prices
        on
            days.partition_date = prices.partition_date
            and days.earliest <= prices.polled_at
            and days.latest >= prices.polled_at
    group by days.horizon
    {%- endfor %}
),

newest_found as (
    select
        horizon,
        max(polled_at) as polled_at
    from polls_found
    group by horizon
),

polls as (
    select
        newest_found.horizon,
        newest_found.polled_at,
        {{ eastern_day("newest_found.polled_at") }} as partition_date,
        newest_found.polled_at <= published.polled_at as is_published
    from newest_found
    cross join published
),

observed as (
    {%- for prices in relations %}
    {%- if not loop.first %}
    union all
    {%- endif %}
    select
        polls.horizon,
        prices.*
    from polls
    inner join {{ prices }} as prices
        on
            polls.partition_date = prices.partition_date
            and polls.polled_at = prices.polled_at
    {%- if loop.first %}
    where polls.is_published
    {%- endif %}
    {%- endfor %}
),

before as (
    select
        contract_id,
        {%- for name, back, staleness in horizons %}
        max(case when horizon = '{{ name }}' then last_trade_price end) as last_{{ name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from observed
    where horizon <> 'now'
    group by contract_id
),

marked as (
    select
        *,
        {{ mark() }} as mark
    from observed
    where horizon = 'now'
),

weighed as (
    select
        *,
        count(*) over (partition by market_id) >= 2 as is_normalized,
        sum(mark) over (partition by market_id) as sum_mark
    from marked
),

implied as (
    select
        *,
        cast(
            case when is_normalized then mark / nullif(sum_mark, 0) else mark end as decimal(9, 6)
        ) as implied_probability
    from weighed
),

board as (
    select
        implied.polled_at,
        implied.market_id,
        implied.contract_id,
        markets.market_name,
        markets.market_short_name,
        markets.market_url,
        contracts.contract_name,
        contracts.contract_short_name,
        implied.last_trade_price,
        implied.best_sell_yes_cost as bid,
        implied.best_buy_yes_cost as ask,
        implied.mid_price,
        implied.spread,
        implied.mark,
        implied.implied_probability,
        implied.is_normalized,
        row_number() over (
            partition by implied.market_id
            order by implied.implied_probability desc nulls last, implied.contract_id asc
        ) as rank_in_market,
        cast(implied.last_trade_price - implied.last_close_price as decimal(6, 4)) as since_close,
        {%- for name, back, staleness in horizons %}
        cast(implied.last_trade_price - before.last_{{ name }} as decimal(6, 4))
            as change_{{ name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from implied
    inner join contracts on implied.contract_id = contracts.contract_id
    inner join markets on implied.market_id = markets.market_id
    left join before on implied.contract_id = before.contract_id
)

select * from board
{%- endmacro %}
