"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Mapping

from predictit_assets.layers.products import Preview, table

PREVIEWS: Mapping[str, Preview] = {
    "order_summary_1d": Preview(
        "newest_days",
        table(
            """
            select
                order_date, location_id, currency, orders, net, discount, average_order
            from marts.order_summary_1d
            order by order_date desc, orders desc, location_id, currency
            limit 8
            """,
            day="date",
            location="int",
            currency="string",
            orders="int",
            net="float",
            discount="float",
            average_order="float",
        ),
    ),
    "staff_summary": Preview(
        "who_sold_most_often",
        table(
            """
            select staff_id, currency, orders, net, average_order, days_worked, main_location_id
            from marts.staff_summary
            order by orders desc, staff_id, currency
            limit 8
            """,
            staff="int",
            currency="string",
            orders="int",
            net="float",
            average_order="float",
            days_worked="int",
            main_location="int",
        ),
    ),
    "product_sales_1d": Preview(
        "what_sold_most_on_the_newest_day",
        table(
            """
            select order_date, product_id, variant_id, orders, units
            from marts.product_sales_1d
            where order_date = (select max(newest.order_date) from marts.product_sales_1d as newest)
            order by units desc, product_id, variant_id
            limit 8
            """,
            day="date",
            product="int",
            variant="int",
            orders="int",
            units="int",
        ),
    ),
}
"""By the mart they are of."""
