{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_after": 1},
    )
}}

with

{{ judged_hit_ctes(in_window(1, 0)) }},

sent as (
    select *
    from {{ source("staging", "hits") }}
    where {{ in_window() }}
),

hits as (
    select
        judged_hits.partition_date,
        judged_hits.client_id,
        judged_hits.time_source,
        judged_hits.is_copy,
        judged_hits.is_conflicting,
        sent.payload,
        sent.line_number,
        sent.queue_ms,
        sent.client_ts,
        sent.is_bot,
        cast(date_trunc('hour', judged_hits.received_at) as timestamp) as period_start_ts,
        case when judged_hits.time_source = 'queue' then sent.queue_ms end as delay_ms,
        datediff('millisecond', judged_hits.received_at, sent.client_ts) as skew_ms
    from judged_hits
    inner join sent on judged_hits.log_id = sent.log_id
),

requests as (
    select
        period_start_ts,
        count(*) as requests
    from (
        select distinct
            period_start_ts,
            payload,
            line_number
        from hits
    ) as distinct_requests
    group by period_start_ts
),

counted as (
    select
        partition_date,
        period_start_ts,
        count(*) as hits,
        count(distinct client_id) as clients,
        count(case when is_copy then 1 end) as copies,
        count(case when is_conflicting and not is_copy then 1 end) as conflicts,
        count(case when is_bot then 1 end) as bot_hits,
        count(case when time_source = 'queue' and queue_ms > 0 then 1 end) as queued_hits,
        count(case when queue_ms > 86400000 then 1 end) as refused_qt
    from hits
    group by partition_date, period_start_ts
),

{{ nearest_rank_cte("delays", "hits", "period_start_ts", "delay_ms", [50, 95]) }},

{{ nearest_rank_cte("skews", "hits", "period_start_ts", "skew_ms", [50]) }},

{{ nearest_rank_cte("absolute_skews", "hits", "period_start_ts", "abs(skew_ms)", [95]) }}

select
    counted.partition_date,
    counted.period_start_ts,
    requests.requests,
    counted.hits,
    counted.clients,
    counted.copies,
    counted.conflicts,
    counted.bot_hits,
    counted.queued_hits,
    counted.refused_qt,
    delays.p50 as delay_p50_ms,
    delays.p95 as delay_p95_ms,
    skews.p50 as skew_p50_ms,
    absolute_skews.p95 as skew_p95_ms
from counted
inner join requests on counted.period_start_ts = requests.period_start_ts
left join delays on counted.period_start_ts = delays.period_start_ts
left join skews on counted.period_start_ts = skews.period_start_ts
left join absolute_skews on counted.period_start_ts = absolute_skews.period_start_ts
