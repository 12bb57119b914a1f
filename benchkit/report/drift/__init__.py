"""How far two versions of a judge are apart on the same answers."""
