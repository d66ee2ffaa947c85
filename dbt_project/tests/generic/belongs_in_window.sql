{# Each row of the window has one in another table that agrees with it in all the columns. #}
{% test belongs_in_window(model, to, columns) %}
select distinct {{ columns | join(", ") }}
from {{ model }}
where {{ in_window() }}
except
select {{ columns | join(", ") }}
from {{ to }}
{% endtest %}
