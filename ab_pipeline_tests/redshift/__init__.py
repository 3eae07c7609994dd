"""A stand-in for Amazon Redshift: PostgreSQL behind a proxy that takes what Redshift takes and refuses the rest."""
