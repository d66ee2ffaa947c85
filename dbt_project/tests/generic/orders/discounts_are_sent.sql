{# At most a quarter of the window's orders have a discount that isn't the one that was sent. #}
{% test discounts_are_sent(model) %}
select count(*) as orders
from {{ model }}
where {{ in_window() }}
having count_if(total_discounts_sent is distinct from discount) * 4 > count(*)
{% endtest %}
