"""One method, judge or data source in full: what `benchkit ls methods NAME` prints."""
