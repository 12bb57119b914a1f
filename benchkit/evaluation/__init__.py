"""Ask recommenders and score their answers: only here do questions and answer key meet."""
