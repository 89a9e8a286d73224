"""Metrics, the verdicts on a trial, and the reports that show them."""
