"""Methods: what turns a backbone into a recommender (`registry`), and training-free floors to compare with (`floors`)."""
