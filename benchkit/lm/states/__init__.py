"""Hidden states of a model: computing fewer of them, and vectors of texts made from them."""
