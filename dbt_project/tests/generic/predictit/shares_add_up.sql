{# The known shares of a group are parts of one: together 1, but for their rounding. #}
{% test shares_add_up(model, groups, share, condition) %}
select
    {{ groups }},
    sum({{ share }}) as total
from {{ model }}
where {{ condition }}
group by {{ groups }}
having abs(sum({{ share }}) - 1) > 0.000001 * count({{ share }})
{% endtest %}
