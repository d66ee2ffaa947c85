{{ purchase_query(ref("purchase_hits")) }}
