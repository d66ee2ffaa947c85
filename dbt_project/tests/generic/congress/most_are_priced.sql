{# Of the stock trades that count and bear a ticker, no more than so many per cent lack a bar. #}
{% test most_are_priced(model, column, percent) %}
select
    count(*) as trades,
    count_if({{ column }} in ('not_listed', 'session_missing')) as trades_without_a_bar
from {{ model }}
where
    counts
    and security_kind = 'stock'
    and ticker is not null
having 100 * count_if({{ column }} in ('not_listed', 'session_missing')) > {{ percent }} * count(*)
{% endtest %}
