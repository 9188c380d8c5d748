"""From texts and states to the frozen vectors that recommenders are trained on."""
