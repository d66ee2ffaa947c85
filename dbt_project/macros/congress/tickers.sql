{#
    The ticker rules: patterns of a whole word, the first that matches decides. Of each: the pattern,
    the ticker (what \1 and \2 matched; none: NULL), the reason why there is none.
#}
{% macro ticker_rules() -%}
    {{ return([
        ["(N/A|[.-])", none, "none"],
        ["\\^.*", none, "index"],
        ["[A-Z]{1,6}[0-9]{6}[CP][0-9]{8}", none, "option"],
        ["[A-Z]{1,5}[-./]WI", none, "when_issued"],
        ["([A-Z]{1,5})([-./]P|\\^)([A-Z])", "\\1p\\3", none],
        ["([A-Z]{1,5})[-./](A|B|C|K|U|V|WS)", "\\1.\\2", none],
        ["([A-Z]{1,5}(p[A-Z])?)", "\\1", none],
        [".*[-./].*", none, "foreign"],
        [".*", none, "unread"],
    ]) }}
{%- endmacro %}


{# The nth word of a readable text; two hyphens are none. NULL where there is no such word. #}
{% macro nth_word(text, n) -%}
    {%- set apart = "' ' || replace(" ~ text ~ ", ' ', '  ') || ' '" -%}
    {{ nth_match("replace(" ~ apart ~ ", ' -- ', ' ')", "([^ ]+)", n) }}
{%- endmacro %}


{#
    A word as the rules read it: without a capital letter, it is raised to capitals. No word is a
    hyphen, which says as much.
#}
{% macro raised(word) -%}
    case
        when {{ word }} is null then '-'
        when {{ matches_whole(word, ".*[A-Z].*") }} then {{ word }}
        else upper({{ word }})
    end
{%- endmacro %}


{# The one spelling of a ticker, or NULL. #}
{% macro ticker_of(word) -%}
    case
        {%- for pattern, ticker, _ in ticker_rules() %}
        when {{ matches_whole(word, pattern) }}
            then {{ replace_all(word, pattern, ticker) if ticker else "null" }}
        {%- endfor %}
    end
{%- endmacro %}


{# Why there is no ticker, or NULL. #}
{% macro ticker_reason_of(word) -%}
    case
        {%- for pattern, _, reason in ticker_rules() %}
        when {{ matches_whole(word, pattern) }} then {{ "'" ~ reason ~ "'" if reason else "null" }}
        {%- endfor %}
    end
{%- endmacro %}
