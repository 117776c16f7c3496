"""From one text file per lesson to the solution notebook, the student notebook and the public expectations."""
