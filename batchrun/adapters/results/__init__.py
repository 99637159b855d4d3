"""The Parquet files of results, and the columns that are selected from outputs."""
