"""Training of the policy `student`: lessons, teacher, student. Needs the extra `train`."""
