"""Training of the shipped policies: lessons, teacher, student. Needs the extra `train`."""
