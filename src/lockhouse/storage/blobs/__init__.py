"""Bodies too large for rows. Names are random: nothing about a body can be read from where it lies."""
