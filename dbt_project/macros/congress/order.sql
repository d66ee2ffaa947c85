{# The newest of what was told about a trade comes first. #}
{% macro newest_first() -%}
    record_updated_at desc,
    captured_at desc,
    trade_record_id desc,
    position desc
{%- endmacro %}

{# A member's attributes whose changes make a version. #}
{% macro member_attributes() -%}
    {{ return([
        "member_name",
        "display_name",
        "party",
        "state",
        "district",
        "chamber",
        "status",
        "committees",
        "leadership_positions",
    ]) }}
{%- endmacro %}
