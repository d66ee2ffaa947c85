{{
    attribute_versions(
        ref("coin_attribute_runs"),
        id="coin_id",
        attributes=["symbol", "coin_name"],
    )
}}
