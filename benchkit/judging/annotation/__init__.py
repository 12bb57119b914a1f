"""Collecting people's grades: a sample of judged answers, a page a person, labels read back."""
