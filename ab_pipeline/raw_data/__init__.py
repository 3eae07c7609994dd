"""The raw tables: their contract, and how rows get into them."""
