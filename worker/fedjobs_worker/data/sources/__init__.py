"""Reads columns from a silo's files of any supported format.

A source returns columns as arrays whose first dimension is the rows, in the order of the file names and of the rows in
each file. The error for an invalid record names the file, the row (1-based; in a CSV file, the line) and the column.
"""
