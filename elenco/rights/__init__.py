"""What is owed to the people shown and to the source: forgetting, deleting, keeping no longer."""
