{# No variant of the window is of two products. #}
{% test one_product_each(model) %}
select variant_id
from {{ model }}
where {{ in_window() }}
group by variant_id
having count(distinct product_id) > 1
{% endtest %}
