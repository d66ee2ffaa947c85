{# An expression holds in each row; NULL counts as broken. #}
{% test true_of_all(model, expression) %}
select *
from {{ model }}
where not coalesce({{ expression }}, false)
{% endtest %}
