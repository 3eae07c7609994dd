"""Files as people have them, read by one reader: any delimiter, encoding and compression, Excel and Parquet."""
