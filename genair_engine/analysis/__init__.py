"""What a set of item vectors looks like: how widely it spreads, and plane pictures of it. Arrays in, numbers out."""
