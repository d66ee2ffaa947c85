# The Glue catalog: a database, and an external table over the Parquet of each curated table of every
# source. Nobody has to add partitions: they follow from the day. Athena, Spark and Redshift Spectrum read
# them. sources.json is made from the schemas by `python deploy/catalog.py`.

locals {
  sources = jsondecode(file("${path.module}/sources.json"))

  # Names of tables are unique over all sources.
  curated = merge([
    for source, known in local.sources : {
      for name, table in known.tables : name => merge(table, {
        source    = source
        first_day = lookup(var.first_days, source, known.first_day)
      })
    }
  ]...)
}

resource "aws_glue_catalog_database" "curated" {
  name        = "${replace(lower(var.name), "-", "_")}_curated"
  description = "What was received, as typed rows: values as sent."
}

resource "aws_glue_catalog_table" "curated" {
  for_each      = local.curated
  name          = each.key
  database_name = aws_glue_catalog_database.curated.name
  description   = each.value.comment
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                        = "TRUE"
    classification                  = "parquet"
    "projection.enabled"            = "true"
    "projection.date.type"          = "date"
    "projection.date.format"        = "yyyy-MM-dd"
    "projection.date.range"         = "${each.value.first_day},NOW"
    "projection.date.interval"      = "1"
    "projection.date.interval.unit" = "DAYS"
    "storage.location.template"     = "s3://${var.bucket}/curated/${each.value.source}/${each.key}/date=$${date}/"
  }

  partition_keys {
    name    = "date"
    type    = "string"
    comment = "the day of the folder, YYYY-MM-DD; name it in a query, or every day is read"
  }

  storage_descriptor {
    location      = "s3://${var.bucket}/curated/${each.value.source}/${each.key}/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}
