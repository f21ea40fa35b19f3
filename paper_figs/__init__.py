"""One file per figure: load a record, draw, save. Nothing is computed here."""
