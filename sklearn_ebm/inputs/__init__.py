"""Data that users pass: checked, and converted to what models compute with."""
