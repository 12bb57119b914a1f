"""Files of models: loading them whole, and saying what is wrong with them."""
