"""What a person orders above the plan: records, their words, what they do to a problem, and what they cost."""
