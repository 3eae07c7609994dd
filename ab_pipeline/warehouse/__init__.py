"""The one door to the warehouse that is not dbt's: DuckDB here, Redshift in production."""
