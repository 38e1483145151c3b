"""What a run found, for the eye: a console table, a Markdown page, one HTML file."""
