"""What every command shares: arguments, errors, progress."""
