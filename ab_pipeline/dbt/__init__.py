"""dbt, run inside the process that asks for it."""
