"""The sources that fill the tables of record: one adapter a file."""
