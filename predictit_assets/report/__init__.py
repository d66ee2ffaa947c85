"""What the HTML pages of all sources have in common.

Here belong the frame of a page (style, light and dark, content security policy, the script that
draws the charts), the filters and chart parts that any source may need, and the rule for links.
What a page is about (its queries, charts, sentences and blocks) belongs to the source. This room
knows neither Dagster nor a warehouse.
"""
