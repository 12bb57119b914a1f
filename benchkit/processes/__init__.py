"""Recommenders in processes of their own: questions go in, answers come out, the key stays here."""
