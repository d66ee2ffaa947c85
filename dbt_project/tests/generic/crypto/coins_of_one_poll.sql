{# All rows are of the same poll. #}
{% test coins_of_one_poll(model) %}
select count(distinct polled_at) as polls
from {{ model }}
having count(distinct polled_at) > 1
{% endtest %}
