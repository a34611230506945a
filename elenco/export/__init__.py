"""Models in the form that a browser runs, compared with what they came from."""
