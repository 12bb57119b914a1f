"""SLMRec's network and its training."""
