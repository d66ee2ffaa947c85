{# All rows have the same value in a column. #}
{% test one_of_all(model, column) %}
select count(distinct {{ column }}) as distinct_values
from {{ model }}
having count(distinct {{ column }}) > 1
{% endtest %}
