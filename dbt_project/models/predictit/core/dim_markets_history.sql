{{
    attribute_versions(
        ref("market_attribute_runs"),
        id="market_id",
        attributes=["market_name", "market_short_name", "market_url", "image_url"],
    )
}}
