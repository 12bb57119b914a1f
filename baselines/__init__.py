"""The methods that come with benchkit; `catalog.toml` lists them."""
