with

ranked as (
    select
        *,
        {%- for measure in ("stock_return", "excess_return") %}
            row_number() over (
                partition by basis, horizon_sessions, side order by {{ measure }}
            ) as {{ measure }}_place,
        {%- endfor %}
        count(*) over (partition by basis, horizon_sessions, side) as group_rows
    from {{ ref("trade_returns") }}
    where dates_plausible
),

-- Of an odd number of rows the two middle ones are the same.
summed as (
    select
        basis,
        horizon_sessions,
        side,
        count(*) as n,
        {%- for measure in ("stock_return", "excess_return") %}
            {{ quotient("sum(" ~ measure ~ ")", "count(*)") }} as {{ measure }}_mean,
            (
                sum(
                    case
                        when {{ measure }}_place = floor((group_rows + 1) / 2) then {{ measure }}
                    end
                )
                + sum(
                    case
                        when {{ measure }}_place = floor((group_rows + 2) / 2) then {{ measure }}
                    end
                )
            ) * 0.5 as {{ measure }}_median,
        {%- endfor %}
        {{ quotient("count_if(excess_return > 0)", "count(*)") }} as hit_share
    from ranked
    group by basis, horizon_sessions, side
)

select
    basis,
    horizon_sessions,
    side,
    n,
    {%- for measure in ("stock_return", "excess_return") %}
        {%- for average in ("mean", "median") %}
            cast(
                {{ round_half_even(measure ~ "_" ~ average, 8) | indent(8) }}
                as decimal(18, 8)
            ) as {{ measure }}_{{ average }},
        {%- endfor %}
    {%- endfor %}
    cast({{ round_half_even("hit_share", 8) | indent(4) }} as decimal(18, 8)) as hit_share
from summed
