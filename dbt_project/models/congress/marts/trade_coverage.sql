with

told as (
    {%- for basis in ("transaction", "public") %}
        select
            report_date,
            '{{ basis }}' as basis,
            {{ basis }}_status as status
        from {{ ref("trade_prices") }}
        where counts
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
)

select
    report_date,
    basis,
    status,
    count(*) as trades
from told
group by report_date, basis, status
