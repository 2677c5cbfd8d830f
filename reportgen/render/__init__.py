"""Reports as files: HTML, PDF and JSON. Knows blocks, not models; never imports torch."""
