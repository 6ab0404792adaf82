"""What several test modules share: commands, stored runs, documents, and applications to run."""
