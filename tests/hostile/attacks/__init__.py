"""One hostile submission per file: `ATTACK` says what it attempts and what must happen."""
