"""How well raters agree, in tables and files."""
