"""What an evaluation leaves behind, and how it is read again."""
