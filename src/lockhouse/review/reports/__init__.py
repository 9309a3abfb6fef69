"""One module for each form of a report. Each takes a Review value and gives text; none decides anything."""
