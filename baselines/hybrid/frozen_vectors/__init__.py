"""Item vectors of a language model, frozen in a sequential recommender."""
