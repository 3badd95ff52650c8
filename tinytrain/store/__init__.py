"""Bytes to arrays: IDX files, downloads, drawn digits, pictures and tables."""
