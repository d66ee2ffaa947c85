{# Each hit of the window has its session, and each client is the session's. #}
{% test hits_have_sessions(model, to) %}
select distinct
    session_id,
    client_id
from {{ model }}
where {{ in_window() }}
except
select
    session_id,
    client_id
from {{ to }}
where {{ in_window(1, 0) }}
{% endtest %}
