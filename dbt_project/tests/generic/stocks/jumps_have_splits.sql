{#
    A close of the window that moved by more than so many per cent since the one before it has a
    split in between. Prices below a dollar and over the counter jump every day: they are left out.
#}
{% test jumps_have_splits(model, splits, percent) %}
with

closes as (
    select
        partition_date,
        ticker,
        close,
        lag(close) over (partition by ticker order by partition_date) as close_before,
        lag(partition_date) over (partition by ticker order by partition_date) as date_before
    from {{ model }}
    where
        partition_date >= cast('{{ var("start_date") }}' as date) - 10
        and partition_date < cast('{{ var("end_date") }}' as date)
        and not is_otc
),

jumps as (
    select *
    from closes
    where
        {{ in_window() }}
        and close >= 1
        and close_before >= 1
        and 100 * abs(close - close_before) > {{ percent }} * close_before
)

select jumps.*
from jumps
left join {{ splits }} as splits
    on
        jumps.ticker = splits.ticker
        and splits.partition_date > jumps.date_before
        and splits.partition_date <= jumps.partition_date
where splits.ticker is null
{% endtest %}
