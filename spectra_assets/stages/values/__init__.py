"""How values are written, whichever stage reads them: numbers, dates, the shape of records."""
