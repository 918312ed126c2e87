"""Input decks, plans, tasks, scheduling, progress and the command line."""
