{# What is done with products, by the columns that count it: rows, and sessions with a product. #}
{% macro counted_actions() -%}
    {{ return([
        ("click", "sum_of_product_clicks", "product_clicks"),
        ("detail", "sum_of_product_details", "product_details"),
        ("add", "sum_of_add_to_cart", "add_to_cart"),
        ("remove", "sum_of_remove_from_cart", "remove_from_cart"),
    ]) }}
{%- endmacro %}


{# The columns of traffic_1h and traffic_1d, in order. #}
{% macro traffic_columns() -%}
    {%- set columns = [
        "partition_date", "period_start_ts", "hits", "count_active_sessions", "count_active_users",
        "count_active_clients", "count_new_sessions", "count_new_users", "count_new_clients",
        "pageviews",
    ] -%}
    {%- for _, rows, _ in counted_actions() %}{% do columns.append(rows) %}{% endfor -%}
    {%- for _, _, distinct in counted_actions() %}{% do columns.append(distinct) %}{% endfor -%}
    {{ return(columns + ["hits_of_bots", "sessions_of_bots"]) }}
{%- endmacro %}


{#
    What people did, by period, and how much bots did: CTEs, the last is `traffic`.
    One row per period of each day that has a hit.

    grain             'hour' or 'day'
    hits, actions     relations as core.fact_hits and core.product_actions
    made              the condition on the days
#}
{% macro traffic_ctes(grain, hits, actions, made) -%}
hits_made as (
    select
        partition_date,
        event_at,
        cast(date_trunc('{{ grain }}', event_at) as timestamp) as period_start_ts,
        session_id,
        is_session_start,
        user_id,
        client_id,
        hit_type,
        is_bot
    from {{ hits }}
    where {{ made }}
),

days as (
    select distinct partition_date
    from hits_made
),

{%- if grain == "hour" %}

hours as (
    {%- for hour in range(24) %}
    select {{ hour }} as hour_of_day
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

periods as (
    select
        days.partition_date,
        {{ hours_into("days.partition_date", "hours.hour_of_day") }} as period_start_ts
    from days
    cross join hours
),
{%- else %}

periods as (
    select
        partition_date,
        cast(partition_date as timestamp) as period_start_ts
    from days
),
{%- endif %}

-- Few rows of many: what is distinct is looked for among these.
visits as (
    select
        period_start_ts,
        session_id,
        user_id,
        client_id,
        is_bot,
        count(*) as hits,
        count(case when is_session_start then 1 end) as starts,
        count(case when hit_type = 'pageview' then 1 end) as pageviews
    from hits_made
    group by period_start_ts, session_id, user_id, client_id, is_bot
),

by_period as (
    select
        period_start_ts,
        sum(case when not is_bot then hits end) as hits,
        count(distinct case when not is_bot then session_id end) as count_active_sessions,
        count(distinct case when not is_bot then user_id end) as count_active_users,
        count(distinct case when not is_bot then client_id end) as count_active_clients,
        sum(case when not is_bot then starts end) as count_new_sessions,
        sum(case when not is_bot then pageviews end) as pageviews,
        sum(case when is_bot then hits end) as hits_of_bots,
        count(distinct case when is_bot then session_id end) as sessions_of_bots
    from visits
    group by period_start_ts
),

{%- for who in ["user", "client"] %}

first_hits_of_{{ who }}s as (
    select
        partition_date,
        {{ who }}_id,
        min(period_start_ts) as period_start_ts
    from hits_made
    where
        not is_bot
        and {{ who }}_id is not null
    group by partition_date, {{ who }}_id
),

new_{{ who }}s as (
    select
        period_start_ts,
        count(*) as count_new_{{ who }}s
    from first_hits_of_{{ who }}s
    group by period_start_ts
),
{%- endfor %}

actions_made as (
    select
        cast(date_trunc('{{ grain }}', event_at) as timestamp) as period_start_ts,
        product_action,
        session_id,
        product_id,
        count(*) as times
    from {{ actions }}
    where
        {{ made }}
        and not is_bot
    group by
        cast(date_trunc('{{ grain }}', event_at) as timestamp),
        product_action,
        session_id,
        product_id
),

counted_actions as (
    select
        period_start_ts,
        {%- for action, rows, _ in counted_actions() %}
        sum(case when product_action = '{{ action }}' then times end) as {{ rows }},
        {%- endfor %}
        {%- for action, _, distinct in counted_actions() %}
        count(case when product_action = '{{ action }}' and product_id is not null then 1 end)
            as {{ distinct }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from actions_made
    group by period_start_ts
),

traffic as (
    select
        periods.partition_date,
        periods.period_start_ts,
        cast(coalesce(by_period.hits, 0) as bigint) as hits,
        coalesce(by_period.count_active_sessions, 0) as count_active_sessions,
        coalesce(by_period.count_active_users, 0) as count_active_users,
        coalesce(by_period.count_active_clients, 0) as count_active_clients,
        cast(coalesce(by_period.count_new_sessions, 0) as bigint) as count_new_sessions,
        coalesce(new_users.count_new_users, 0) as count_new_users,
        coalesce(new_clients.count_new_clients, 0) as count_new_clients,
        cast(coalesce(by_period.pageviews, 0) as bigint) as pageviews,
        {%- for _, rows, _ in counted_actions() %}
        cast(coalesce(counted_actions.{{ rows }}, 0) as bigint) as {{ rows }},
        {%- endfor %}
        {%- for _, _, distinct in counted_actions() %}
        coalesce(counted_actions.{{ distinct }}, 0) as {{ distinct }},
        {%- endfor %}
        cast(coalesce(by_period.hits_of_bots, 0) as bigint) as hits_of_bots,
        coalesce(by_period.sessions_of_bots, 0) as sessions_of_bots
    from periods
    left join by_period on periods.period_start_ts = by_period.period_start_ts
    left join new_users on periods.period_start_ts = new_users.period_start_ts
    left join new_clients on periods.period_start_ts = new_clients.period_start_ts
    left join counted_actions on periods.period_start_ts = counted_actions.period_start_ts
)
{%- endmacro %}


{#
    Traffic and what was bought: CTEs, the last is `overview`. One row per period of the traffic.

    grain                        'hour' or 'day'
    traffic, purchases, actions  relations as marts.traffic_1h or traffic_1d, core.purchases and
                                 core.product_actions
#}
{% macro overview_ctes(grain, traffic, purchases, actions) -%}
bought as (
    select
        *,
        cast(date_trunc('{{ grain }}', event_at) as timestamp) as period_start_ts
    from {{ purchases }}
    where not is_bot
),

money as (
    select
        period_start_ts,
        count(*) as transactions,
        -- A clean text isn't empty.
        count(distinct coalesce(currency, '')) as currencies,
        max(currency) as currency,
        {{ sum_of("revenue") }} as revenue,
        {{ sum_of("tax") }} as tax,
        {{ sum_of("shipping") }} as shipping
    from bought
    group by period_start_ts
),

items as (
    select
        bought.period_start_ts,
        {{ sum_of("coalesce(actions.product_quantity, 0)") }} as purchased_items,
        count(distinct actions.product_id) as purchased_products
    from bought
    inner join {{ actions }} as actions on bought.log_id = actions.log_id
    where actions.product_action = 'purchase'
    group by bought.period_start_ts
),

overview as (
    select
        {%- for column in traffic_columns() %}
        traffic.{{ column }},
        {%- endfor %}
        coalesce(money.transactions, 0) as transactions,
        coalesce(money.currencies, 0) as currencies,
        case when money.currencies = 1 then money.currency end as transaction_currency,
        {%- for column in ["revenue", "tax", "shipping"] %}
        case
            when money.transactions is null then cast(0 as decimal(18, 4))
            when money.currencies = 1 then money.{{ column }}
        end as transaction_{{ column }},
        {%- endfor %}
        case
            when items.period_start_ts is null then cast(0 as decimal(18, 4))
            else items.purchased_items
        end as purchased_items,
        coalesce(items.purchased_products, 0) as purchased_products
    from {{ traffic }} as traffic
    left join money on traffic.period_start_ts = money.period_start_ts
    left join items on traffic.period_start_ts = items.period_start_ts
)
{%- endmacro %}


{# The columns of overview_1h and overview_1d, in order. #}
{% macro overview_columns() -%}
    {{ return(traffic_columns() + [
        "transactions", "currencies", "transaction_currency", "transaction_revenue",
        "transaction_tax", "transaction_shipping", "purchased_items", "purchased_products",
    ]) }}
{%- endmacro %}
