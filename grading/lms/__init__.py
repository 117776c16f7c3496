"""Between a learning management system and the course folder: rosters in, downloads in, grades out."""
