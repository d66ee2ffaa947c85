{# A text without spaces, tabs and line breaks at both ends; NULL when nothing is left. #}
{% macro clean(text) -%}
    {{ adapter.dispatch("clean")(text) }}
{%- endmacro %}

{% macro default__clean(text) -%}
    nullif(trim({{ text }}, ' ' || chr(9) || chr(10) || chr(13)), '')
{%- endmacro %}

{#
    Nearly all texts are clean, and trimming one of them takes ten times as long as a look at its
    ends: what may go is below an exclamation mark.
#}
{% macro duckdb__clean(text) -%}
    case
        when {{ text }} < '!' or right({{ text }}, 1) < '!' then {{ default__clean(text) }}
        else {{ text }}
    end
{%- endmacro %}


{#
    A number that was sent as text, to four digits behind the point, half away from zero; NULL when
    it is none, or beyond what the column holds. No engine is given more digits than decide.
#}
{% macro number_of(text) -%}
    case
        when {{ matches_whole(clean(text), "-?[0-9]{1,14}([.][0-9]+)?") }}
            then try_cast(
                {{ replace_all(clean(text), "([.][0-9]{5})[0-9]+", "\\1") }} as decimal(18, 4)
            )
    end
{%- endmacro %}


{# A sum of money or quantities; NULL when none is known, or it is beyond what the column holds. #}
{% macro sum_of(number) -%}
    case
        when abs(sum({{ number }})) < 100000000000000
            then cast(sum({{ number }}) as decimal(18, 4))
    end
{%- endmacro %}
