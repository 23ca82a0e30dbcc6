"""Reading columns from the files of a silo, whatever their format.

A source gives columns as arrays, first dimension the rows, in the order of its files' names and their rows. All of
them say of a record that does not fit: file, row (1-based; in a CSV file the line) and column.
"""
