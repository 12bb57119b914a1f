"""Reports on judges: probes, comparisons by pairs, drift between versions."""
