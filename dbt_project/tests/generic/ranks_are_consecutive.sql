{# The ranks of a group are 1, 2, 3 and so on, each once. #}
{% test ranks_are_consecutive(model, groups, rank) %}
select {{ groups }}
from {{ model }}
group by {{ groups }}
having
    min({{ rank }}) <> 1
    or max({{ rank }}) <> count(*)
    or count(distinct {{ rank }}) <> count(*)
{% endtest %}
