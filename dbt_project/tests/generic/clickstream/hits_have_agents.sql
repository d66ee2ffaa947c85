{# Each agent of the hits that came on the days of the build is in the dimension. #}
{% test hits_have_agents(model, to) %}
select distinct user_agent_id
from {{ model }}
where
    {{ in_window() }}
    and user_agent_id is not null
    and cast(received_at as date) >= cast('{{ var("start_date") }}' as date)
    and cast(received_at as date) < cast('{{ var("end_date") }}' as date)
except
select user_agent_id
from {{ to }}
{% endtest %}
